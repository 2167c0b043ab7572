import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { iptables } from "./iptables.ts";
import { IptablesSession } from "./iptables-session.ts";
import { enterNetns } from "./netns.ts";
import { createNamespaces, type Namespaces } from "./testing/namespaces.ts";

const LIMITS = { idle_ms: 1_000, callsMax: 3 };
const WAIT = { clock: systemClock(), timeout_ms: 20_000 };
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

const ended = (pid: number) => waitFor(`the end of process ${pid}`, () => !isRunning(pid), WAIT);

describe.runIf(process.getuid?.() === 0).each(["nft", "legacy"] as const)(
  "iptables-%s-restore, kept running", (kind) => {
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

    const chains = async () => (await tools.save("nat")).flatMap((line) =>
      /^:(\S+) - /.exec(line)?.[1] ?? []);
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
      await session.restore(async function* () {
        yield transaction(chain("A"));
        await waitFor("the first", async () => (await chains()).includes("A"), WAIT);
        await tools.restore(transaction(chain("OTHER")));
        yield transaction(chain("B"), "-A B -j OTHER");
      }());
      expect((await chains()).toSorted()).toEqual(["A", "B", "OTHER"]);
    });

    test("passes on more than a pipe takes", async () => {
      const rules = Array.from({ length: 200 }, (_, i) =>
        `-A A -m comment --comment "${"x".repeat(200)}" -p tcp --dport ${i + 1} -j RETURN`);
      const parts = Array.from({ length: 10 }, () => transaction(chain("A"), ...rules));
      await session.restore([...parts, transaction(chain("LAST"))]);
      expect(await chains()).toEqual(["A", "LAST"]);
    });

    test("an input with a line that is refused is applied up to its transaction", async () => {
      await session.restore([transaction(chain("A"))]);
      const first = running();
      const refused = session.restore([
        transaction(chain("B")), transaction(chain("C"), "-A C -j"), transaction(chain("D")),
      ]);
      await expect(refused).rejects.toMatchObject({
        name: "IptablesError", code: "iptables-refused",
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
      expect((await tools.save("nat")).filter((line) => line.startsWith("-A")))
        .toEqual(["-A OTHER -j RETURN"]);
      await tools.restore(transaction(chain("OTHER"), "-X OTHER"));
      await expect(session.restore([transaction("-A OTHER -j RETURN")]))
        .rejects.toMatchObject({ code: "iptables-refused" });
    });

    test("another process follows one that was killed between two calls", async () => {
      await session.restore([transaction(chain("A"))]);
      const first = running();
      process.kill(first, "SIGKILL");
      await ended(first);
      await waitFor("its end seen", () => session.pid === undefined, WAIT);
      await session.restore([transaction(chain("B"))]);
      expect([await chains(), running() === first]).toEqual([["A", "B"], false]);
    });

    test("a call fails whose process is killed, and the next does not", async () => {
      await session.restore([transaction(chain("A"))]);
      await expect(session.restore(function* () {
        process.kill(running(), "SIGKILL");
        yield transaction(chain("B"));
      }())).rejects.toMatchObject({ code: "iptables-refused", message: /SIGKILL/ });
      await session.restore([transaction(chain("C"))]);
      expect(await chains()).toEqual(["A", "C"]);
    });

    test("ends when it is idle, and after so many calls", async () => {
      const counted: number[] = [];
      for (let call = 1; call <= LIMITS.callsMax; call++) {
        expect(counted.every(isRunning)).toBe(true);
        await session.restore(function* () {
          yield transaction(chain("A"));
          counted.push(running());
        }());
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

    test("ends with the process that started it", async () => {
      const script = `
        import { IptablesSession } from "${join(import.meta.dirname, "iptables-session.ts")}";
        import { systemClock } from "@raft2kube/std/clock.ts";
        const limits = { idle_ms: 600_000, callsMax: 9 };
        const session = new IptablesSession("${kind}", systemClock(), limits);
        await session.restore(["*nat\\n:A - [0:0]\\nCOMMIT\\n"]);
        process.stdout.write(String(session.pid));`;
      const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"], cwd: import.meta.dirname,
      });
      const [said] = (await once(owner.stdout, "data")) as [Buffer];
      const pid = Number(said);
      expect(isRunning(pid)).toBe(true);
      const gone = once(owner, "exit");
      owner.kill("SIGKILL");
      await gone;
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
