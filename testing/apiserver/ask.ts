import { Agent, request } from "node:https";
import type { TestApiserver } from "./test-apiserver.ts";

export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Text or bytes as they are; an object as JSON. */
  body?: string | Buffer | object;
  cert?: string;
  key?: string;
  /** An agent whose connections it uses, by default this process's; with false one of its own. */
  agent?: Agent | false;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** A handshake that shows certificates takes five times the processor time of a short request. */
const connections = new Agent({ keepAlive: true });

/** Sends one plain request; `cert` and `key` are the client's credentials. */
export function ask(api: TestApiserver, path: string, options: AskOptions = {}): Promise<Answer> {
  const { method = "GET", body, cert, key } = options;
  const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
  const bytes = raw ? body : Buffer.from(JSON.stringify(body));
  // Node frames a DELETE's body only if its length is given.
  const framing = { "content-type": "application/json", "content-length": `${bytes?.length}` };
  const headers = { ...(raw ? {} : framing), ...options.headers };
  return new Promise((resolve, reject) => {
    const identity = cert && key ? { cert, key } : {};
    const target = `${api.server}${path}`;
    const init = {
      method,
      headers,
      ca: api.ca.cert,
      agent: options.agent ?? connections,
      ...identity,
    };
    const sent = request(target, init, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    sent.on("error", reject);
    sent.end(bytes);
  });
}
