import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import { killed } from "../../../testing/killed.ts";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { withPrograms } from "../../../testing/programs.ts";
import { waitFor } from "../../../testing/wait.ts";
import { enterNetns } from "../namespace/netns.ts";
import { iptables } from "./iptables.ts";
import { IptablesSession } from "./iptables-session.ts";

const LIMITS = { idle_ms: 1_000, callsMax: 3, transaction_ms: 9_000, end_ms: 500 };
const transaction = (...statements: string[]) => `*nat\n${statements.join("\n")}\nCOMMIT\n`;
const chain = (name: string) => `:${name} - [0:0]`;

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    if (isErrno(thrown, "ESRCH")) return false;
    throw thrown;
  }
}

const ended = (pid: number) => waitFor(`the end of process ${pid}`, () => !isRunning(pid));

const KINDS = inTurn("iptables", ["nft", "legacy"] as const, 1);

describe.runIf(process.getuid?.() === 0).each(KINDS)(
  "iptables-%s-restore, kept running",
  (kind) => {
    const tools = iptables(kind);
    let namespaces: Namespaces;
    let clock: ManualClock;
    let session: IptablesSession;

    beforeAll(() => {
      namespaces = createNamespaces("r2k-iptables-");
      enterNetns(namespaces.add("node"));
    });
    afterAll(() => namespaces.close());
    beforeEach(() => {
      clock = new ManualClock();
      session = new IptablesSession(kind, clock, LIMITS);
    });
    afterEach(async () => {
      await session.close();
      await tools.restore(await removal());
    });

    const chains = async () =>
      (await tools.save("nat")).flatMap((line) => /^:(\S+) - /.exec(line)?.[1] ?? []);
    const removal = async () => {
      const names = await chains();
      return transaction(...names.map(chain), ...names.map((name) => `-X ${name}`));
    };
    const running = () => {
      expect(session.pid).toBeTypeOf("number");
      return session.pid!;
    };

    test("commits transactions in their order, by one process", async () => {
      await session.restore([transaction(chain("A")), transaction(chain("B"), "-A B -j A")]);
      const first = running();
      expect(await chains()).toEqual(["A", "B"]);
      await session.restore([transaction("-D B -j A", "-X A")]);
      expect([await chains(), running()]).toEqual([["B"], first]);
    });

    test("commits a transaction while the next is made, and holds no lock", async () => {
      await session.restore(
        (async function* () {
          yield transaction(chain("A"));
          await waitFor("the first", async () => (await chains()).includes("A"));
          await tools.restore(transaction(chain("OTHER")));
          yield transaction(chain("B"), "-A B -j OTHER");
        })(),
      );
      expect((await chains()).toSorted()).toEqual(["A", "B", "OTHER"]);
    });

    test("passes on more than a pipe takes", async () => {
      const rules = Array.from(
        { length: 200 },
        (_, i) =>
          `-A A -m comment --comment "${"x".repeat(200)}" -p tcp --dport ${i + 1} -j RETURN`,
      );
      const parts = Array.from({ length: 10 }, () => transaction(chain("A"), ...rules));
      await session.restore([...parts, transaction(chain("LAST"))]);
      expect(await chains()).toEqual(["A", "LAST"]);
    });

    test("an input with a line that is refused is applied up to its transaction", async () => {
      await session.restore([transaction(chain("A"))]);
      const first = running();
      const refused = session.restore([
        transaction(chain("B")),
        transaction(chain("C"), "-A C -j"),
        transaction(chain("D")),
      ]);
      await expect(refused).rejects.toMatchObject({
        name: "IptablesError",
        code: "iptables-refused",
        message: expect.stringMatching(/^iptables-\w+-restore: .*line:? 6\b/s) as string,
      });
      expect([await chains(), session.pid]).toEqual([["A", "B"], undefined]);
      await ended(first);
      await session.restore([transaction(chain("D"))]);
      expect(await chains()).toEqual(["A", "B", "D"]);
    });

    test("sees what other programs changed between two transactions", async () => {
      await session.restore([transaction(chain("A"), chain("B"), "-A B -j A")]);
      await tools.restore(transaction(chain("B"), chain("OTHER"), "-X B"));
      await session.restore([transaction("-X A"), transaction("-A OTHER -j RETURN")]);
      expect((await tools.save("nat")).filter((line) => line.startsWith("-A"))).toEqual([
        "-A OTHER -j RETURN",
      ]);
      await tools.restore(transaction(chain("OTHER"), "-X OTHER"));
      await expect(session.restore([transaction("-A OTHER -j RETURN")])).rejects.toMatchObject({
        code: "iptables-refused",
      });
    });

    test("another process follows one that was killed between two calls", async () => {
      await session.restore([transaction(chain("A"))]);
      const first = running();
      process.kill(first, "SIGKILL");
      await ended(first);
      await waitFor("its end seen", () => session.pid === undefined);
      await session.restore([transaction(chain("B"))]);
      expect([await chains(), running() === first]).toEqual([["A", "B"], false]);
    });

    test("a call fails whose process is killed, and the next does not", async () => {
      await session.restore([transaction(chain("A"))]);
      await expect(
        session.restore(
          (function* () {
            process.kill(running(), "SIGKILL");
            yield transaction(chain("B"));
          })(),
        ),
      ).rejects.toMatchObject({ code: "iptables-failed", message: /SIGKILL/ });
      await session.restore([transaction(chain("C"))]);
      expect(await chains()).toEqual(["A", "C"]);
    });

    test("ends when it is idle, and after so many calls", async () => {
      const counted: number[] = [];
      for (let call = 1; call <= LIMITS.callsMax; call++) {
        expect(counted.every(isRunning)).toBe(true);
        await session.restore(
          (function* () {
            yield transaction(chain("A"));
            counted.push(running());
          })(),
        );
      }
      expect([new Set(counted).size, session.pid]).toEqual([1, undefined]);
      await ended(counted[0]!);
      await session.restore([transaction(chain("A"))]);
      const second = running();
      clock.advance(LIMITS.idle_ms - 1);
      await session.restore([transaction(chain("A"))]);
      clock.advance(LIMITS.idle_ms - 1);
      expect(running()).toBe(second);
      clock.advance(1);
      expect(session.pid).toBeUndefined();
      await ended(second);
    });

    test("is killed where a call takes too long, and another follows it", async () => {
      await session.restore([transaction(chain("A"))]);
      const first = running();
      process.kill(first, "SIGSTOP");
      const late = session.restore([transaction(chain("B"))]);
      clock.advance(LIMITS.transaction_ms);
      await expect(late).rejects.toMatchObject({
        name: "IptablesError",
        code: "iptables-failed",
        message: /took too long/,
      });
      await ended(first);
      await session.restore([transaction(chain("C"))]);
      expect(await chains()).toEqual(["A", "C"]);
    });

    test("has its time for each transaction of a call", async () => {
      const names = ["A", "B", "C"];
      const slow = function* () {
        for (const name of names) {
          yield transaction(chain(name));
          clock.advance(LIMITS.transaction_ms - 1);
        }
      };
      await session.restore(slow());
      expect((await chains()).toSorted()).toEqual(names);
    });

    test.each(["idle", "closed"])("is killed where it does not end when it is %s", async (why) => {
      await session.restore([transaction(chain("A"))]);
      const pid = running();
      process.kill(pid, "SIGSTOP");
      if (why === "idle") clock.advance(LIMITS.idle_ms);
      const closed = session.close();
      clock.advance(LIMITS.end_ms - 1);
      expect(isRunning(pid)).toBe(true);
      clock.advance(1);
      await closed;
      await ended(pid);
    });

    test("is closed during a call, which is rejected, and takes no other", async () => {
      let written = () => {};
      const first = new Promise<void>((resolve) => (written = resolve));
      const call = session.restore(
        (async function* () {
          yield transaction(chain("A"));
          written();
          await new Promise(() => {});
        })(),
      );
      const failed = expect(call).rejects.toMatchObject({ code: "iptables-failed" });
      await first;
      await session.close();
      await failed;
      expect(await chains()).toEqual(["A"]);
      await expect(session.restore([transaction(chain("B"))])).rejects.toMatchObject({
        code: "iptables-failed",
      });
    });

    test("takes one input where it answers only at the end of it, as before 1.8.5", async () => {
      const name = `iptables-${kind}-restore`;
      const old = `
        if [ "$1" = --version ]; then echo "${name} v1.8.4"; exit; fi
        said=$(PATH='${process.env["PATH"]}' ${name} "$@") || exit
        echo "$said"`;
      await withPrograms({ [name]: old }, async () => {
        await session.restore([transaction(chain("A")), transaction(chain("B"))]);
        expect([await chains(), session.pid]).toEqual([["A", "B"], undefined]);
        await session.restore([transaction("-X A")]);
        await expect(
          session.restore([transaction(chain("C")), transaction("-A C -j")]),
        ).rejects.toMatchObject({ code: "iptables-refused", message: /line:? 5\b/ });
        expect(await chains()).toEqual(["B", "C"]);
      });
    });

    test("is not started where descriptors run out, which the call reports", async () => {
      const script = `
        import { openSync } from "node:fs";
        import { IptablesSession } from "${join(import.meta.dirname, "iptables-session.ts")}";
        import { systemClock } from "@raft2kube/std/clock.ts";
        import { waitFor } from "@raft2kube/std/wait.ts";
        const clock = systemClock();
        const limits = { idle_ms: 600_000, callsMax: 9, transaction_ms: 600_000, end_ms: 600_000 };
        const [used, other] = [1, 2].map(() => new IptablesSession("${kind}", clock, limits));
        await used.restore(["*nat\\nCOMMIT\\n"]);
        process.kill(used.pid, "SIGKILL");
        await waitFor("its end", () => used.pid === undefined, { clock });
        try {
          for (;;) openSync("/dev/null", "r");
        } catch (thrown) {
          if (thrown.code !== "EMFILE") throw thrown;
        }
        for (const session of [used, other]) {
          await session.restore(["*nat\\nCOMMIT\\n"]).catch(({ code, message }) =>
            process.stdout.write(code + " " + /EMFILE/.exec(message) + "\\n"));
          await session.close();
        }`;
      const command = [process.execPath, "--input-type=module", "-e", script];
      const limited = spawn("sh", ["-c", 'ulimit -n 256; exec "$@"', "sh", ...command], {
        stdio: ["ignore", "pipe", "inherit"],
        cwd: import.meta.dirname,
      });
      let said = "";
      limited.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      expect(await once(limited, "close")).toEqual([0, null]);
      expect(said).toBe("iptables-failed EMFILE\n".repeat(2));
    });

    test("ends with the process that started it", async () => {
      const script = `
        import { IptablesSession } from "${join(import.meta.dirname, "iptables-session.ts")}";
        import { systemClock } from "@raft2kube/std/clock.ts";
        const limits = { idle_ms: 600_000, callsMax: 9, transaction_ms: 600_000, end_ms: 600_000 };
        const session = new IptablesSession("${kind}", systemClock(), limits);
        await session.restore(["*nat\\n:A - [0:0]\\nCOMMIT\\n"]);
        process.stdout.write(String(session.pid));`;
      const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
        cwd: import.meta.dirname,
      });
      const [said] = (await once(owner.stdout, "data")) as [Buffer];
      const pid = Number(said);
      expect(isRunning(pid)).toBe(true);
      await killed(owner);
      await ended(pid);
    });
  },
);

test("a program that is missing is said to be", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  const session = new IptablesSession("nft", systemClock(), LIMITS);
  try {
    await expect(session.restore([transaction()])).rejects.toMatchObject({
      code: "iptables-missing",
    });
  } finally {
    process.env["PATH"] = path;
    await session.close();
  }
});
