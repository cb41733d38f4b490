/**
 * Whether somebody is at the page: a gesture in the last ten minutes. Clips are claimed and held only then, so that a
 * tab left open over lunch keeps nothing from the others.
 */

const AWAY_MS = 10 * 60_000;

let lastGesture = Date.now();

for (const event of ["keydown", "pointerdown", "pointermove", "wheel"]) {
  addEventListener(event, () => (lastGesture = Date.now()), { passive: true, capture: true });
}

/** @returns {boolean} */
export function present() {
  return Date.now() - lastGesture < AWAY_MS;
}
