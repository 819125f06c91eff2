/** Joins many wishes to draw into one drawing a frame; hidden pages, which get no frames, draw by a timer. */
export function renderSoon(draw) {
  let isWanted = false;
  const run = () => {
    if (!isWanted) return;
    isWanted = false;
    draw();
  };
  return () => {
    if (isWanted) return;
    isWanted = true;
    if (document.hidden) setTimeout(run, 0);
    else {
      requestAnimationFrame(run);
      setTimeout(run, 200); // a page that becomes hidden meanwhile
    }
  };
}
