import { Agent, request } from "node:https";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";

/** A request's content: a body's text or bytes as they are, anything else as JSON. */
export interface Sent {
  readonly body?: unknown;
  /** The body's type; by default `application/json`, and none without a body. */
  readonly type?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the request, a watch, after so many lines of its answer. */
  readonly lines?: number;
  /** Sends no certificate: the request is anonymous. */
  readonly anonymous?: boolean;
}

export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body, decompressed. */
  readonly body: Buffer;
}

/** Sends one request to a server. */
export type Call = (method: string, path: string, sent: Sent) => Promise<Received>;

const inflate = promisify(gunzip);

/** How long one answer may take: upstream makes some wait for three seconds. */
const ANSWER_TIMEOUT_MS = 60_000;

/** A way to ask a server on loopback, whose own certificate is not looked at. */
export function callerOf(port: number, { cert, key }: KeyPair): Call & { close(): void } {
  const common = { keepAlive: true, rejectUnauthorized: false };
  const agents = { known: new Agent({ ...common, cert, key }), anonymous: new Agent(common) };
  const call: Call = async (method, path, sent) => {
    const agent = sent.anonymous ? agents.anonymous : agents.known;
    const { body, ...rest } = await exchange(agent, port, method, path, sent);
    const packed = rest.headers["content-encoding"] === "gzip";
    return { ...rest, body: packed ? await inflate(body) : body };
  };
  const close = () => {
    for (const agent of Object.values(agents)) agent.destroy();
  };
  return Object.assign(call, { close });
}

function exchange(
  agent: Agent,
  port: number,
  method: string,
  path: string,
  { body, type = "application/json", accept, headers, lines }: Sent,
): Promise<Received> {
  const raw = typeof body === "string" || Buffer.isBuffer(body);
  const text = body === undefined || raw ? body : JSON.stringify(body);
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  const all = {
    "user-agent": "recorder/1",
    ...(bytes === undefined ? {} : { "content-type": type, "content-length": bytes.length }),
    ...(accept === undefined ? {} : { accept }),
    ...headers,
  };
  const init = { agent, host: "127.0.0.1", port, method, path, headers: all };
  return new Promise((resolve, reject) => {
    const sent = request(init, (response) => {
      const chunks: Buffer[] = [];
      let seen = 0;
      const finish = () => {
        const { statusCode: status = 0, headers: said } = response;
        const body = Buffer.concat(chunks);
        resolve({
          status,
          headers: said,
          body: lines === undefined ? body : firstLines(body, lines),
        });
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        seen += chunk.filter((byte) => byte === 10).length;
        if (lines === undefined || seen < lines) return;
        finish();
        response.destroy();
      });
      response.on("end", finish);
      response.on("error", reject);
    });
    sent.setTimeout(ANSWER_TIMEOUT_MS, () => sent.destroy(new Error(`${path}: no answer`)));
    sent.on("error", (cause) => {
      reject(new Error(`${method} ${path}, accept ${accept}: no whole answer`, { cause }));
    });
    sent.end(bytes);
  });
}

/** A chunk may end within the line after the last requested one. */
const firstLines = (body: Buffer, lines: number): Buffer =>
  Buffer.from(body.toString("utf8").split("\n").slice(0, lines).join("\n"));
