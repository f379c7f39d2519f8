// What this browser keeps from one start to the next: the size of the screen, and the name of the reviewer.

const YEAR_S = 365 * 24 * 3600;
// The page has another port at each start. A cookie belongs to the machine, local storage to machine and port. A page that
// is a file has no cookies.
const is_file = location.protocol === "file:";
const read = new Map();

/** @param {string} name @returns {string | null} What is kept by this name. */
export function kept(name) {
  if (!read.has(name)) read.set(name, is_file ? localStorage.getItem(name) : readCookie(name));
  return read.get(name);
}

/** @param {string} name @returns {string | null} */
function readCookie(name) {
  const found = document.cookie.split("; ").find((of) => of.startsWith(`${name}=`));
  try { return found === undefined ? null : decodeURIComponent(found.slice(name.length + 1)); } catch { return null; }
}

/** @param {string} name @param {string | null} value Null: no longer. */
export function keep(name, value) {
  read.set(name, value);
  if (!is_file) {
    document.cookie = `${name}=${encodeURIComponent(value ?? "")}; Path=/; SameSite=Strict; Max-Age=${value === null ? 0 : YEAR_S}`;
  } else if (value === null) localStorage.removeItem(name);
  else localStorage.setItem(name, value);
}
