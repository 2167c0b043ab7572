import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { get } from "@raft2kube/runtime/image/http.ts";
import { readBounded } from "@raft2kube/runtime/image/read-bounded.ts";
import { errorsOf } from "@raft2kube/runtime/image/registry.ts";
import { parseChallenge } from "@raft2kube/runtime/image/registry-auth.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { Target } from "../target.ts";

const LIMIT_BYTES = 4_096;
const ERRORS = '{"errors":[{"code":"DENIED","message":"no"}]}';
// None redirects: a changed place could be anywhere.
const ANSWERS = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDocker-Content-Digest: sha256:00\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\nA: b\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nhello",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer " +
    'realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull"\r\n\r\n',
  `HTTP/1.1 403 Forbidden\r\nContent-Length: ${ERRORS.length}\r\n\r\n${ERRORS}`,
];

let answer: Buffer = Buffer.alloc(0);
let server: Server | undefined;

/** Answers every connection with the input, regardless of the request. */
async function listen(): Promise<Server> {
  const listening = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(answer));
  });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  return listening;
}

/** Answers of a registry, from the first byte of the connection on. */
export const registryAnswer: Target = {
  name: "registry-answer",
  corpus: async () => ANSWERS.map((text) => Buffer.from(text)),
  async read(bytes) {
    server ??= await listen();
    answer = bytes;
    const address = server.address() as { port: number };
    const options = { headers: {}, clock: systemClock(), name: "fuzzed" };
    try {
      const { headers, body } = await get(`http://127.0.0.1:${address.port}/v2/`, options);
      const text = (await readBounded(body, LIMIT_BYTES, "the answer")).toString();
      const challenge = parseChallenge(headers["www-authenticate"]);
      const parameters = Object.values(challenge?.parameters ?? {});
      if (parameters.some((value) => typeof value !== "string")) throw new Error("a parameter");
      if (!/^[^\n\r\0]{0,300}$/.test(errorsOf(text))) throw new Error("an error of two lines");
      return "taken";
    } catch (thrown) {
      const refusals = ["unavailable", "resource-exhausted"];
      if (thrown instanceof RuntimeError && refusals.includes(thrown.code)) return "refused";
      throw thrown;
    }
  },
  close() {
    server?.close();
    server = undefined;
  },
};
