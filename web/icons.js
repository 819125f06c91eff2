/** The page's icons: stroked paths on a 24 x 24 grid. */
const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  back: ["M15 5l-7 7 7 7"],
  send: ["M4.5 12h13", "M12 5.5l6.5 6.5-6.5 6.5"],
  more: ["M5 12h.01", "M12 12h.01", "M19 12h.01"],
  addPerson: ["M10 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z", "M3.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6", "M19 8v6", "M16 11h6"],
  group: ["M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z", "M2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6", "M16 4.4a3.5 3.5 0 0 1 0 6.2", "M18 14.4c2.1.8 3.5 2.8 3.5 5.6"],
  picture: ["M4 5h16v14H4z", "M4 16l5-5 4 4 3-3 4 4", "M9 9.5h.01"],
  file: ["M7 3h7l4 4v14H7z", "M14 3v4h4"],
  clock: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M12 7v5l3 2"],
  check: ["M5 12.5l4.5 4.5L19 7"],
  checks: ["M2 12.5l4.5 4.5L15 8", "M11 16l1.5 1.5L22 8"],
  at: ["M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z", "M15.5 8.5v5a2.5 2.5 0 0 0 5 0V12a8.5 8.5 0 1 0-3.4 6.8"],
  plus: ["M12 5v14", "M5 12h14"],
  list: ["M8 6h12", "M8 12h12", "M8 18h12", "M4 6h.01", "M4 12h.01", "M4 18h.01"],
  timer: ["M12 21a8 8 0 1 0 0-16 8 8 0 0 0 0 16z", "M12 9v4l2 2", "M10 2h4"],
  alert: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M12 7.5v5.5", "M12 16.5h.01"],
  down: ["M6 9l6 6 6-6"],
  pin: ["M9 4h6l-1 6 3 3H7l3-3-1-6z", "M12 13v7"],
  muted: ["M6 16V11a6 6 0 0 1 9.5-4.9", "M18 11v5H9", "M10.5 19.5a1.8 1.8 0 0 0 3 0", "M4 4l16 16"],
  search: ["M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14z", "M16.2 16.2L20.5 20.5"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  language: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z", "M3 12h18", "M12 3c3 3 3 15 0 18", "M12 3c-3 3-3 15 0 18"],
  logOut: ["M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4", "M15 8l4 4-4 4", "M19 12H9"],
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon is-${name}`);
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
