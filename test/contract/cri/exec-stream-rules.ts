import { describe, expect, test } from "vitest";
import { spdySession } from "./stream-client.ts";
import { streamsOf } from "./streams.ts";
import type { Bench } from "./suite.ts";

export function execStreamRules(bench: Bench): void {
  const { kinds, endsInput, open, running, exec } = streamsOf(bench);

  describe.each(kinds)("exec over %s", (kind) => {
    test("brings outputs and the exit code", async () => {
      const wanted = { stderr: true };
      const url = await exec(await running(), "echo out; echo err >&2; exit 3", wanted);
      const ended = await (await open(kind, url, wanted)).ended;
      expect([ended.stdout, ended.stderr]).toEqual(["out\n", "err\n"]);
      expect(JSON.parse(ended.status)).toMatchObject({
        status: "Failure",
        reason: "NonZeroExitCode",
        details: { causes: [{ reason: "ExitCode", message: "3" }] },
      });
    });

    test("takes input, of any size", async () => {
      const url = await exec(await running(), "head -c 300000 | wc -c", { stdin: true });
      const session = await open(kind, url, { stdin: true });
      for (let i = 0; i < 10; i++) session.write("x".repeat(30_000));
      const ended = await session.ended;
      expect(ended.stdout.trim()).toBe("300000");
      expect(JSON.parse(ended.status)).toMatchObject({ status: "Success" });
    });

    test.runIf(endsInput(kind))("passes the end of input on", async () => {
      const url = await exec(await running(), "cat; echo done", { stdin: true });
      const session = await open(kind, url, { stdin: true });
      session.write("hello\n");
      session.endInput();
      expect((await session.ended).stdout).toBe("hello\ndone\n");
    });

    test("brings much output whole", async () => {
      const url = await exec(await running(), "head -c 3000000 /dev/zero | tr '\\0' a", {});
      const ended = await (await open(kind, url, {})).ended;
      expect(ended.stdout.length).toBe(3_000_000);
    });
  });

  test("a streaming URL is good for one request", async () => {
    const url = await exec(await running(), "true", {});
    await (await spdySession(url, {})).ended;
    await expect(fetch(url).then((answer) => answer.ok)).resolves.toBe(false);
  });
}
