// A canvas in device pixels, and the colours of the page.

/**
 * Fit a canvas to its size on the page, and clear it.
 * @param {HTMLCanvasElement} canvas @param {number} [height_px] CSS pixels; by default that of the style sheet.
 * @returns {{ctx: CanvasRenderingContext2D, ratio: number, width: number, height: number}} Sizes in device pixels.
 */
export function fit(canvas, height_px) {
  if (height_px !== undefined) canvas.style.height = `${height_px}px`;
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const ctx = canvas.getContext("2d");
  ctx.clearRect(0, 0, width, height);
  return { ctx, ratio, width, height };
}

/** @param {string} name Of a custom property, without dashes. @param {string} [otherwise] @returns {string} */
export function colour(name, otherwise = "#9aa5b1") {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || otherwise;
}

/** @param {CanvasRenderingContext2D} ctx @param {number} px @param {number} ratio @param {string} [weight] */
export function setFont(ctx, px, ratio, weight = "") {
  ctx.font = `${weight} ${px * ratio}px system-ui, "DejaVu Sans", sans-serif`;
}
