import { connect } from "node:net";
import { CodedError } from "@raft2kube/std/errors.ts";
import { RUNTIME_ANSWER_BYTES_MAX, RUNTIME_MS_MAX } from "../limits.ts";

/** Sends one line of commands to a socket of haproxy; resolves with its whole answer. */
export function command(path: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = "";
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(new CodedError("NO_HAPROXY", `${path}: ${why}`, {
        remedy: "look at the log of the container haproxy", ...(cause ? { cause } : {}),
      }));
    };
    socket.setEncoding("utf8").setTimeout(RUNTIME_MS_MAX, () => fail("no answer in time"));
    socket.on("error", (cause) => fail(cause.message, cause));
    socket.on("data", (text: string) => {
      answer += text;
      if (answer.length > RUNTIME_ANSWER_BYTES_MAX) fail("its answer is too large");
    });
    socket.on("close", () => resolve(answer));
    socket.end(`${line}\n`);
  });
}

/** The worker that serves now, of the answer to `show proc`; undefined while none does. */
export function currentWorker(answer: string): number | undefined {
  const [, workers = ""] = answer.split("# workers");
  const [current = ""] = workers.split("# old workers");
  const pid = /^(\d+)\s+worker\s/m.exec(current)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
