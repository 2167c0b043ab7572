import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type IPty, spawn as spawnTerminal } from "@lydell/node-pty";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";
import { kubectl120 } from "./kubectl-1.20.ts";
import { sharedCluster } from "./shared-cluster.ts";

// Takes turns, streams of a pod: see streams.test.ts.

const POLL = { timeout: 50_000 };

let cluster: TestCluster;

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: box, labels: { app: box } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: box
      image: r2k.local/web:1
      imagePullPolicy: IfNotPresent
    - name: talker
      image: r2k.local/busybox:1
      imagePullPolicy: IfNotPresent
      stdin: true
      tty: true
      command: [sh, -c, "while read line; do echo heard $line; done"]
`;

beforeAll(async () => {
  cluster = await sharedCluster("terminal");
  await cluster.apply(POD);
  await cluster.ask("wait", "pod/box", "--for=condition=Ready", "--timeout=60s");
});

afterAll(() => cluster?.leave());

interface Terminal {
  readonly pty: IPty;
  /** Returns the terminal's output. */
  shown(): string;
  ended: Promise<number>;
}

/** kubectl on a real pseudo-terminal of 80 by 24, in the test's own host. */
function onTerminal(...args: string[]): Terminal {
  const [program, ...rest] = cluster.host.enter("kubectl", args);
  const env = { ...process.env, ...cluster.host.env, ...cluster.env } as Record<string, string>;
  const pty = spawnTerminal(program!, rest, { cols: 80, rows: 24, env });
  let shown = "";
  pty.onData((text) => (shown += text));
  const ended = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
  return { pty, shown: () => shown, ended };
}

describe("kubectl on a terminal", () => {
  it("exec -it: a shell that has and follows the terminal's size; its exit code", async () => {
    const { pty, shown, ended } = onTerminal("exec", "-it", "box", "-c", "box", "--", "sh");
    await expect.poll(shown, POLL).toMatch(/[#$] /);
    pty.write("tty\r");
    await expect.poll(shown, POLL).toMatch(/\/dev\/pts\/\d+\r\n/);
    // It may come as a change, when the shell runs already.
    const askSize = () => {
      pty.write("stty size\r");
      return shown();
    };
    await expect.poll(askSize, { ...POLL, interval: 200 }).toMatch(/\r\n24 80\r\n/);
    pty.resize(133, 41);
    await expect.poll(askSize, { ...POLL, interval: 200 }).toContain("41 133");
    pty.write("exit 5\r");
    expect(await ended).toBe(5);
  });

  it("exec -it: Ctrl-C reaches the program inside, not kubectl", async () => {
    const { pty, shown, ended } = onTerminal("exec", "-it", "box", "-c", "box", "--", "sh");
    await expect.poll(shown, POLL).toMatch(/[#$] /);
    pty.write("echo asleep; sleep 600\r");
    await expect.poll(shown, POLL).toMatch(/\nasleep\r\n/);
    pty.write("\u0003");
    pty.write("echo awake $?\r");
    await expect.poll(shown, POLL).toMatch(/\nawake 130\r\n/);
    pty.write("exit\r");
    await ended;
  });

  it("attach -it: the container's output and input", async () => {
    const { pty, shown } = onTerminal("attach", "-it", "box", "-c", "talker");
    const say = () => {
      pty.write("good morning\r");
      return shown();
    };
    await expect.poll(say, { ...POLL, interval: 500 }).toContain("heard good morning");
    pty.kill();
    const status = "jsonpath={.status.containerStatuses[*].restartCount}";
    expect(await cluster.ask("get", "pod", "box", "-o", status)).toBe("0 0");
  });

  it("port-forward: a port that is closed is named", async () => {
    const forward = cluster.startKubectl(["port-forward", "pod/box", "18080:8080", "18081:9"]);
    let said = "";
    forward.stdout!.setEncoding("utf8").on("data", (text: string) => (said += text));
    forward.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
    try {
      await expect.poll(() => said, POLL).toContain("Forwarding from 127.0.0.1:18080");
      expect(await cluster.curl("http://127.0.0.1:18080/")).toMatch(/box/);
      await expect(cluster.curl("http://127.0.0.1:18081/")).rejects.toThrow();
      await expect.poll(() => said, POLL).toMatch(/forwarding 18081 -> 9: .*refused/i);
    } finally {
      forward.kill();
    }
  });
});

describe("Debian's kubectl 1.20", () => {
  let old: (...args: string[]) => Promise<string>;
  beforeAll(async () => {
    const program = await kubectl120();
    old = async (...args) => {
      const outcome = await cluster.host.run(program, args, { env: cluster.env });
      if (outcome.code === 0) return outcome.stdout;
      throw new Error(`kubectl ${args.join(" ")}: ${outcome.stderr}`);
    };
  });

  it("is that old", async () => {
    expect(await old("version", "--client", "--short")).toMatch(/v1\.20\./);
  });

  it("applies, twice, and refuses an unknown field by the schema that it was given", async () => {
    const file = join(cluster.host.dir, "home/old.yaml");
    const manifest = (extra: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: old }\ndata: { a: "1" }\n${extra}`;
    // The cluster's own files are no other user's to read: local-user.test.ts looks here too.
    writeFileSync(file, manifest(""), { mode: 0o600 });
    expect(await old("apply", "-f", file)).toMatch(/configmap\/old created/);
    expect(await old("apply", "-f", file)).toMatch(/configmap\/old unchanged/);
    writeFileSync(file, manifest("datta: { b: c }\n"));
    await expect(old("apply", "-f", file)).rejects.toThrow(/unknown field "datta"/);
  });

  it("explains, gets and describes", async () => {
    expect(await old("explain", "pod.spec.containers")).toMatch(
      /RESOURCE: containers <\[\]Object>/,
    );
    expect(await old("get", "pods")).toMatch(
      /NAME +READY +STATUS +RESTARTS +AGE\nbox +2\/2 +Running/,
    );
    expect(await old("describe", "pod", "box")).toMatch(/Events:/);
  });

  it("execs over SPDY, with input, output and exit code", async () => {
    const hello = await old("exec", "box", "-c", "box", "--", "echo", "over spdy");
    expect(hello.trim()).toBe("over spdy");
    await expect(old("exec", "box", "-c", "box", "--", "sh", "-c", "exit 9")).rejects.toThrow(
      /exit code 9/,
    );
  });

  it("shows logs", async () => {
    expect(await old("logs", "box", "-c", "talker")).toContain("heard good morning");
  });
});
