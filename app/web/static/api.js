/**
 * The public REST API over fetch. The sign-in cookie goes along by itself; nothing else is needed.
 *
 * Three outcomes: the JSON body; a `Problem` (the server answered with an error, RFC 9457); `Unreachable` (it did not
 * answer, or a proxy answered in its place), after which the same request may be sent again.
 */

const TIMEOUT_MS = 15_000;
const ROOT = "/api/v1";

/** The server's refusal: `status` and a sentence that says what to do. */
export class Problem extends Error {
  /** @param {number} status @param {{detail?: string, title?: string}} body */
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** No answer: offline, a timeout, or the server is away. */
export class Unreachable extends Error {}

/**
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {{body?: unknown, key?: string, keepalive?: boolean}} [options] `key` is sent as Idempotency-Key
 * @returns {Promise<any>} the JSON body, or null without one
 */
export async function call(method, path, { body, key, keepalive = false } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const response = await reach(ROOT + path, {
    method,
    headers,
    keepalive,
    cache: "no-store",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text().catch(() => "");
  const answer = parsed(text);
  if (!response.ok) throw new Problem(response.status, answer ?? {});
  return answer;
}

/**
 * The bytes at an address of this origin.
 * @param {string} url
 * @returns {Promise<{blob: Blob, headers: Headers}>}
 */
export async function bytes(url) {
  const response = await reach(url, { method: "GET" });
  if (!response.ok) throw new Problem(response.status, parsed(await response.text()) ?? {});
  return { blob: await body(response), headers: response.headers };
}

async function body(response) {
  try {
    return await response.blob();
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function reach(url, options) {
  try {
    return await fetch(url, { credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
