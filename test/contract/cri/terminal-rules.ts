import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { streamsOf } from "./streams.ts";
import type { Bench } from "./suite.ts";

const SIZES = "while read line; do stty size; done";

export function terminalRules(bench: Bench): void {
  const { kinds, open, running, exec, pressUntil } = streamsOf(bench);

  describe.each(kinds)("terminals and attach over %s", (kind) => {
    test("exec's terminal has the client's size, and follows it", async () => {
      const wanted = { stdin: true, tty: true };
      const session = await open(kind, await exec(await running(), SIZES, wanted), wanted);
      session.resize(100, 40);
      await pressUntil(session, "40 100");
      session.resize(81, 21);
      await pressUntil(session, "21 81");
      session.write("\u0004");
      expect(JSON.parse((await session.ended).status)).toMatchObject({ status: "Success" });
    });

    attachRules(bench, kind);

    test("attach to a terminal follows the client's size", async () => {
      const containerId = await running({ stdin: true, tty: true }, ["sh", "-c", SIZES]);
      const streams = { stdin: true, stdout: true, stderr: false, tty: true };
      const { url } = await bench.served.runtime.attach({ containerId, ...streams });
      const session = await open(kind, url, streams);
      session.resize(77, 33);
      await pressUntil(session, "33 77");
      session.abandon();
      expect(await bench.pods.shell(containerId, "echo alive")).toBe("alive");
    });
  });
}

function attachRules(bench: Bench, kind: string): void {
  const { endsInput, open, running } = streamsOf(bench);
  const attached = async (config = {}) => {
    const script = "while read line; do echo got $line; [ $line = quit ] && exit 0; done";
    const containerId = await running({ stdin: true, ...config }, ["sh", "-c", script]);
    const streams = { stdin: true, stdout: true, stderr: true, tty: false };
    const { url } = await bench.served.runtime.attach({ containerId, ...streams });
    return { containerId, session: await open(kind, url, streams) };
  };

  test("attach joins the container's first process", async () => {
    const { containerId, session } = await attached();
    const { firstWords } = bench.implementation.knows;
    for (const word of ["one", "two"]) {
      const ask = () => session.write(`${word}\n`);
      ask();
      const answered = () => {
        if (session.output().includes(`got ${word}`)) return true;
        if (word === "one" && !firstWords) ask();
        return false;
      };
      await waitFor(`an answer to ${word}`, answered, { interval_ms: 100 });
    }
    session.write("quit\n");
    expect(JSON.parse((await session.ended).status)).toMatchObject({ status: "Success" });
    expect(await bench.pods.exited(containerId)).toMatchObject({ exitCode: 0 });
  });

  describe.runIf(endsInput(kind))("the end of the client's input", () => {
    test("ends the attachment alone, if the container's input stays open", async () => {
      const { containerId, session } = await attached();
      session.endInput();
      expect(JSON.parse((await session.ended).status)).toMatchObject({ status: "Success" });
      expect(await bench.pods.shell(containerId, "echo alive")).toBe("alive");
    });

    test("is the process's, if its input is open once", async () => {
      const { containerId, session } = await attached({ stdinOnce: true });
      session.write("one\n");
      session.endInput();
      expect((await session.ended).stdout).toContain("got one");
      expect(await bench.pods.exited(containerId)).toMatchObject({ exitCode: 1 });
    });
  });

  describe.runIf(bench.implementation.knows.lastWords)("a process that ends", () => {
    test.each([
      ["that has read all", ""],
      ["with input that no process reads any more", "more\n".repeat(100_000)],
    ])("is heard to its last words: one %s", async (_, unread) => {
      const { containerId, session } = await attached();
      session.write(`quit\n${unread}`);
      expect((await session.ended).stdout).toContain("got quit");
      expect(await bench.pods.exited(containerId)).toMatchObject({ exitCode: 0 });
    });
  });
}
