import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killed } from "../../testing/killed.ts";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

// Takes turns, streams of a pod: both files have kubectl open them, in terminal.test.ts with a
// terminal and as an earlier release. The rules of streams and terminals are in every run
// (test/contract/cri), and the demo has a shell in a pod.

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: r2k.local/web:1
  - name: echo
    image: r2k.local/busybox:1
    stdin: true
    command: [sh, -c, "while read line; do echo got $line; done; sleep 1000"]
`;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await sharedCluster("streams");
  await cluster.apply(POD);
  const ready = ["get", "pod", "web", "-o", "jsonpath={.status.containerStatuses[*].ready}"];
  await cluster.until("a ready pod", ready, (answer) => answer === "true true");
});
afterAll(() => cluster?.leave());

const off = {
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false",
  KUBECTL_PORT_FORWARD_WEBSOCKETS: "false",
};
const transports: [string, Record<string, string>][] = [
  ["WebSocket", {}],
  ["SPDY", off],
];

describe.each(transports)("kubectl over %s", (_, env) => {
  const exec = (args: string[], input = "") =>
    cluster.kubectl(["exec", "-i", "web", "-c", "web", "--", ...args], { env, input });

  it("exec keeps outputs apart and brings the exit code", async () => {
    const outcome = await exec(["sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(outcome.stdout).toBe("out\n");
    expect(outcome.stderr).toMatch(/^err\n/);
    expect(outcome.code).toBe(7);
  });

  it("exec takes a megabyte and gives it back", async () => {
    const input = "0123456789abcdef".repeat(65_536);
    const { stdout } = await exec(["cat"], input);
    expect(stdout.length).toBe(input.length);
    expect(stdout === input).toBe(true);
  });

  it("exec -it has the terminal's size", async () => {
    // It may come as a change: the OCI runtime sets it while the command already runs, and a
    // command that is quick finds none yet (as under containerd, which sets it after the start).
    const askSize = "until stty size 2>/dev/null | grep '41 101'; do usleep 50000; done";
    const exec = `kubectl exec -it web -c web -- sh -c "${askSize}"`;
    const command = `stty cols 101 rows 41; ${exec}`;
    const options = { env: { ...cluster.env, ...env } };
    // Its input stays open: at its end, script would end the terminal's.
    const terminal = cluster.host.start("script", ["-qec", command, "/dev/null"], options);
    let shown = "";
    terminal.stdout!.on("data", (chunk: Buffer) => (shown += chunk.toString()));
    await once(terminal, "close");
    expect(shown).toContain("41 101");
  });

  it("attach reaches the first process", async () => {
    const args = ["attach", "-i", "web", "-c", "echo"];
    const options = { env: { ...cluster.env, ...env } };
    const attached = cluster.host.start("kubectl", args, options);
    let seen = "";
    attached.stdout!.on("data", (chunk: Buffer) => (seen += chunk.toString()));
    attached.stdin!.write("hello\n");
    await expect.poll(() => seen).toContain("got hello");
    await killed(attached, "SIGTERM");
  });

  it("port-forward carries requests, one after the other and together", async () => {
    const options = { env: { ...cluster.env, ...env } };
    const args = ["port-forward", "pod/web", ":8080"];
    const forwarding = cluster.host.start("kubectl", args, options);
    const [line] = (await once(forwarding.stdout!, "data")) as [Buffer];
    const port = /127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1];
    const url = `http://127.0.0.1:${port}/healthz`;
    for (let i = 0; i < 5; i++) expect(await cluster.curl(url)).toBe("ok\n");
    const together = await Promise.all(Array.from({ length: 8 }, () => cluster.curl(url)));
    expect(new Set(together)).toEqual(new Set(["ok\n"]));
    await killed(forwarding, "SIGTERM");
  });

  it("cp brings a file there and back", async () => {
    const [there, back] = [join(cluster.host.dir, "there"), join(cluster.host.dir, "back")];
    writeFileSync(there, "x".repeat(3_000_000));
    const copy = (from: string, to: string) =>
      cluster.kubectl(["cp", "-c", "web", from, to], { env });
    expect(await copy(there, "web:/tmp/copied")).toMatchObject({ code: 0 });
    expect(await copy("web:/tmp/copied", back)).toMatchObject({ code: 0 });
    expect(readFileSync(back).length).toBe(3_000_000);
  });
});
