// Requests to the server's API.

/** A request that the server refused, or that never reached it (`status` is 0 then). */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Asks for `path`, and returns the JSON of the answer. */
export function get(path) {
  return request(path, { method: "GET" });
}

/** Sends `body` to `path`, and returns the JSON of the answer, or null if there is none. */
export function post(path, body = {}) {
  return request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The address of a route of one camera. */
export function cameraPath(name, route = "") {
  return `/api/cameras/${encodeURIComponent(name)}${route}`;
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new ApiError(0, "the server does not answer");
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // Not every answer has a body, and an error's need not be JSON.
  }
  if (!response.ok) throw new ApiError(response.status, body?.error ?? body?.message ?? `status ${response.status}`);
  return body;
}

const TIMEOUT_MS = 15000;
