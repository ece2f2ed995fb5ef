// What the checks of both libraries share: test/redis_clients_test.go runs them.

import { createInterface } from "node:readline";
import { isDeepStrictEqual, inspect } from "node:util";

export const { TARGET, BACKEND, SECRET, KEY, TOKEN } = process.env;
export const PROTOCOL = Number(process.env.PROTOCOL);
export const PATIENCE = 20_000; // ms that anything may take

export function address(where) {
  const [host, port] = process.env[where].split(":");
  return { host, port: Number(port) };
}

export function equal(got, want, what) {
  if (!isDeepStrictEqual(got, want)) throw new Error(`${what}: got ${inspect(got, { depth: 6 })}, want ${inspect(want, { depth: 6 })}`);
}

export async function fails(text, promise) {
  const got = await promise.catch((error) => error);
  if (!(got instanceof Error) || !String(got.message).includes(text)) throw new Error(`got ${inspect(got)}, want the error ${text}`);
}

export async function eventually(what, ok) {
  for (const end = Date.now() + PATIENCE; !(await ok()); ) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

// Inbox has what came to a subscriber, until somebody takes it.
export class Inbox {
  #come = [];
  #waiting = [];

  put(...m) {
    const taker = this.#waiting.shift();
    taker ? taker(m) : this.#come.push(m);
  }

  get size() {
    return this.#come.length;
  }

  async take() {
    if (this.#come.length) return this.#come.shift();
    let timer;
    const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`no message within ${PATIENCE} ms`)), PATIENCE)));
    return Promise.race([new Promise((take) => this.#waiting.push(take)), late]).finally(() => clearTimeout(timer));
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export async function restart() {
  console.log("> restart");
  if ((await lines.next()).done) throw new Error("nobody restarts the server");
}

// later(id) is an id as somebody could choose one: a minute from now.
export const later = () => `${Date.now() + 60_000}-4`;

export const upTo = (n, from = 0) => Array.from({ length: n - from }, (_, i) => i + from);

// run runs the checks, by name, and ends.
export async function run(checks) {
  try {
    for (const [name, check] of Object.entries(checks)) {
      await check();
      console.log("ok " + name);
    }
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
