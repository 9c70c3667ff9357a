// The requests of the page, and its session: the page's own token is kept for this tab and this origin, port included.

const KEY = "guardian-page-token";

/** A request that was answered with an error, or not answered at all (`status` 0). */
export class Failed extends Error {
  constructor(status, message, hint) {
    super(hint ? `${message}; ${hint}` : message);
    this.status = status;
  }
}

/** Sends one request and returns the answer. Throws Failed. */
export async function ask(name, body = {}) {
  let response;
  let answer;
  try {
    response = await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Guardian-Page": sessionStorage.getItem(KEY) ?? "" },
      body: JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
    answer = await response.json();
  } catch {
    throw new Failed(0, "guardian does not answer: is `guardian console` still running?");
  }
  if (!response.ok) {
    throw new Failed(response.status, answer?.error?.message ?? "guardian refused this", answer?.error?.hint);
  }
  return answer;
}

/** Whether this tab has ever logged in. */
export function hasSession() {
  return sessionStorage.getItem(KEY) !== null;
}

/** Opens a session with a link or its code. Throws Failed. */
export async function logIn(code) {
  const answer = await ask("login", { code });
  sessionStorage.setItem(KEY, answer.page_token);
}

/** Ends the session, here and in guardian. */
export async function logOut() {
  try {
    await ask("logout");
  } finally {
    forgetSession();
  }
}

/** Forgets the session in this tab. */
export function forgetSession() {
  sessionStorage.removeItem(KEY);
}
