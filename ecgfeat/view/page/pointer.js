// What a pointer that is held down moves.

/**
 * Call a function for each move of the pointer, until it is released.
 * @param {(event: PointerEvent) => void} move
 */
export function whileHeld(move) {
  const stop = () => {
    window.removeEventListener("pointermove", move);
    window.removeEventListener("pointerup", stop);
    window.removeEventListener("pointercancel", stop);
  };
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", stop);
  window.addEventListener("pointercancel", stop);
}
