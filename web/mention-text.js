/**
 * Mentions as they stand in a text: the @-word that is being typed, whom it fits, and where chosen names stand.
 *
 * A mention is "@" and a name. The text says where somebody is mentioned, the ids beside it say who: a name that was
 * chosen and has been deleted since is no mention any more.
 */
const WORD_BEFORE_CARET = /(?:^|[^A-Za-z0-9._%+-])[@\uff20]([^\s@\uff20]{0,30})$/u;
const WORD_CHARACTER = /[A-Za-z0-9_]/;

/** The @-word that ends at the caret, {start, query}, or null. An address such as a@b.example has none. */
export function wordAtCaret(text, caret) {
  const found = WORD_BEFORE_CARET.exec(text.slice(0, caret));
  return found ? { start: caret - found[1].length - 1, query: found[1] } : null;
}

/**
 * The people whom a query fits, at most `limit`: a name begins with it, then a later word of a name, then any part; in
 * the order given otherwise.
 * @param {{names: string[]}[]} people
 */
export function fitting(people, query, limit) {
  const wanted = folded(query);
  const ranks = [[], [], []];
  for (const person of people) {
    const rank = Math.min(...person.names.map((name) => rankOf(folded(name), wanted)));
    if (rank < ranks.length) ranks[rank].push(person);
    if (ranks[0].length >= limit) break;
  }
  return ranks.flat().slice(0, limit);
}

function rankOf(name, wanted) {
  if (name.startsWith(wanted)) return 0;
  if (name.includes(` ${wanted}`)) return 1;
  return name.includes(wanted) ? 2 : Infinity;
}

function folded(text) {
  return text.normalize("NFKC").toLowerCase();
}

/** Where "@" and one of these names stand, {from, to, name}: the longest name that fits each place. */
export function placesOf(text, names) {
  const longestFirst = [...new Set(names)].filter(Boolean).sort((a, b) => b.length - a.length);
  const places = [];
  for (let from = text.indexOf("@"); from !== -1; from = text.indexOf("@", from + 1)) {
    const name = longestFirst.find((each) => text.startsWith(each, from + 1) && !goesOn(text, from + 1 + each.length));
    if (name === undefined) continue;
    places.push({ from, to: from + 1 + name.length, name });
  }
  return places;
}

/** "@Bo" is not in "@Bob". */
function goesOn(text, end) {
  return WORD_CHARACTER.test(text[end - 1]) && WORD_CHARACTER.test(text[end] ?? "");
}

/**
 * The ids of those who are mentioned in a text, each once. Where two have one name, its first place is the first one's.
 * @param {{id: number, name: string}[]} chosen in the order of choice
 */
export function mentionsIn(text, chosen) {
  const ids = new Set();
  const used = new Map();
  const names = chosen.map(({ name }) => name);
  for (const { name } of placesOf(text, names)) {
    const namesakes = chosen.filter((each) => each.name === name);
    const index = used.get(name) ?? 0;
    used.set(name, index + 1);
    ids.add(namesakes[Math.min(index, namesakes.length - 1)].id);
  }
  return [...ids];
}
