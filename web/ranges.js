/**
 * Sets of sequence numbers as sorted, disjoint, inclusive ranges `[[from, to], ...]`.
 *
 * A device holds few gaps, so a talk of a million numbers is a handful of pairs; every function is linear in pairs.
 */

/** Adds from..to, joining what touches. Changes and returns `ranges`. */
export function addRange(ranges, from, to) {
  if (from > to) return ranges;
  let start = 0;
  while (start < ranges.length && ranges[start][1] < from - 1) start += 1;
  let end = start;
  while (end < ranges.length && ranges[end][0] <= to + 1) {
    from = Math.min(from, ranges[end][0]);
    to = Math.max(to, ranges[end][1]);
    end += 1;
  }
  ranges.splice(start, end - start, [from, to]);
  return ranges;
}

/** Forgets every number below `from`. */
export function dropBelow(ranges, from) {
  while (ranges.length && ranges[0][1] < from) ranges.shift();
  if (ranges.length && ranges[0][0] < from) ranges[0] = [from, ranges[0][1]];
  return ranges;
}

/** The numbers of from..to that are not in `ranges`, as ranges, ascending. */
export function missingRanges(ranges, from, to) {
  const missing = [];
  let next = from;
  for (const [low, high] of ranges) {
    if (high < next) continue;
    if (low > to) break;
    if (low > next) missing.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= to) missing.push([next, to]);
  return missing;
}

export function inRanges(ranges, number) {
  return ranges.some(([low, high]) => low <= number && number <= high);
}

/** The lowest number that is reached from `top` downwards without a hole; `top + 1` when top itself is missing. */
export function runStart(ranges, top) {
  for (const [low, high] of ranges) if (low <= top && top <= high) return low;
  return top + 1;
}
