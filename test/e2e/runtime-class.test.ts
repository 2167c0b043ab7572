import { once } from "node:events";
import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killed } from "../../testing/killed.ts";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

// Takes turns, containers by hand: see containers/by-hand.test.ts.

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await sharedCluster("by-hand");
});

afterAll(async () => {
  const names = HANDLERS.map(({ handler }) => handler);
  await cluster?.ask("delete", "runtimeclass", ...names, "--ignore-not-found");
  await cluster?.leave();
});

const classOf = (handler: string) => `
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: ${handler} }
handler: ${handler}
`;

const podOf = (handler: string) => `
apiVersion: v1
kind: Pod
metadata: { name: hand }
spec:
  runtimeClassName: ${handler}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: r2k.local/busybox:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "echo began; exec sleep 600"]
      # Each look starts a process of Node, which takes more than a second on a busy machine.
      readinessProbe:
        exec: { command: [test, -f, /data/ready] }
        periodSeconds: 3
        timeoutSeconds: 60
      resources: { limits: { memory: 64Mi, cpu: 200m } }
      securityContext: { runAsUser: 33, allowPrivilegeEscalation: false }
      volumeMounts: [{ name: data, mountPath: /data }]
  securityContext: { fsGroup: 33 }
  volumes: [{ name: data, emptyDir: {} }]
`;

const readyOf = ["get", "pod", "hand", "-o", "jsonpath={.status.containerStatuses[0].ready}"];
const shell = ["exec", "hand", "--", "sh", "-c"];

const HANDLERS = [
  { handler: "by-hand", lines: [/^NoNewPrivs:\s+1$/m], kernel: release() },
  { handler: "runc", lines: [/^NoNewPrivs:\s+1$/m], kernel: release() },
  { handler: "runsc", lines: [], kernel: "4.4.0" },
];

describe.each(HANDLERS)("a RuntimeClass of $handler", ({ handler, lines, kernel }) => {
  it("runs a pod: log, volume, exec probe, limits, user, filter", async () => {
    await cluster.apply(classOf(handler));
    await cluster.apply(podOf(handler));
    const phase = ["get", "pod", "hand", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the pod to run", phase, (text) => text === "Running");
    expect(await cluster.ask("logs", "hand")).toContain("began");
    expect(await cluster.ask(...readyOf)).toBe("false");
    await cluster.ask(...shell, "touch /data/ready");
    await cluster.until("the probe to succeed", readyOf, (text) => text === "true");
    const status = await cluster.ask(...shell, "cat /proc/1/status; cat /proc/1/cmdline");
    for (const line of [/^Uid:\s+33\s/m, /^Seccomp:\s+2$/m, /sleep/, ...lines]) {
      expect(status).toMatch(line);
    }
    expect(await cluster.ask(...shell, "cat /etc/hostname; hostname; uname -r")).toBe(
      `hand\nhand\n${kernel}`,
    );
  });

  it("a command gets more input, and gives more output, than a pipe holds", async () => {
    const input = "x".repeat(1 << 20);
    const { code, stdout, stderr } = await cluster.kubectl(["exec", "-i", "hand", "--", "cat"], {
      input,
    });
    expect([code, stdout.length, stderr]).toEqual([0, input.length, ""]);
  });

  it("a command has its exit code, and a terminal", async () => {
    expect((await cluster.kubectl([...shell, "exit 3"])).code).toBe(3);
    const command = `kubectl ${shell.join(" ").replace("exec", "exec -it")} "test -t 0 && echo yes"`;
    const options = { env: cluster.env };
    const terminal = cluster.host.start("script", ["-qec", command, "/dev/null"], options);
    let shown = "";
    terminal.stdout!.on("data", (chunk: Buffer) => (shown += chunk.toString()));
    await once(terminal, "close");
    expect(shown).toContain("yes");
  });

  it("a command ends with its client", async () => {
    const client = cluster.startKubectl(["exec", "hand", "--", "sleep", "7777"]);
    const list = ["exec", "hand", "--", "ps"];
    await cluster.until("the command to run", list, (text) => text.includes("sleep 7777"));
    await killed(client, "SIGKILL");
    await cluster.until("the command to end", list, (text) => !text.includes("sleep 7777"));
  });

  it("deletes the pod, and leaves no container behind", async () => {
    await cluster.ask("delete", "pod", "hand", "--timeout=60s");
    expect(await cluster.ask("get", "pods", "-o", "name")).toBe("");
  });
});

it("our own OCI runtime names what it does not implement", async () => {
  const shared = podOf("by-hand").replace(
    "volumeMounts: [{ name: data, mountPath: /data }]",
    "volumeMounts: [{ name: data, mountPath: /data, mountPropagation: HostToContainer }]",
  );
  await cluster.apply(shared);
  // Its state between two tries, the last one's after them.
  const get = ["get", "pod", "hand", "-o", "jsonpath={.status.containerStatuses[0]}"];
  const refusal = /by-hand does not implement|is not shared/;
  await cluster.until("a refusal", get, (text) => refusal.test(text));
  await cluster.ask("delete", "pod", "hand", "--timeout=60s");
});
