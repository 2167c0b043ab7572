import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine, Machines, must } from "./machines/machine.ts";

const TIMEOUT_MS = 240_000;
const TOKEN = "abcdef.0123456789abcdef";
const ADMIN = "/etc/kubernetes/admin.conf";

let machines: Machines;
let first: Machine;
let second: Machine;
let third: Machine;
let certificateKey: string;

beforeAll(async () => {
  machines = await Machines.create();
  first = await machines.add("cp-1");
  second = await machines.add("worker-1");
  third = await machines.add("cp-2");
}, TIMEOUT_MS);

afterAll(async () => {
  for (const machine of [third, second, first]) await machine.host.r2k(["reset", "--force"]);
  await machines.close();
}, TIMEOUT_MS);

/** Groups are the machine's that runs the test: each machine has one of its own. */
function configOf(machine: Machine): string {
  const file = join(machines.dir, `${machine.name}.yaml`);
  const kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
  writeFileSync(file, `${kind}cgroupRoot: /r2k/machines-${process.pid}-${machine.name}\n`);
  return file;
}

const kubectl = (...args: string[]) => first.host.run("kubectl", ["--kubeconfig", ADMIN, ...args]);

async function until(what: string, args: string[], holds: (answer: string) => boolean) {
  const ask = async () => {
    const { stdout } = await kubectl(...args);
    return holds(stdout) ? stdout : undefined;
  };
  const limits = { clock: systemClock(), timeout_ms: 90_000, interval_ms: 500 };
  return waitFor(what, ask, limits);
}

const readyOf = (name: string) =>
  ["get", "node", name, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"];

/** Everything below the folders that `init` and `join` write; the lock is that of iptables. */
const leftOn = (machine: Machine) => must(machine.host, `
  find /etc/kubernetes /etc/cni /var/lib /var/log/pods /run /opt/cni -mindepth 1 2> /dev/null |
    grep -v '^/run/xtables.lock$' || true
  nft list tables; ip -brief link | awk '{ print $1 }' | grep -v '^lo$\\|^eth0' || true
  ps -eo args --no-headers | grep 'conmo[n]\\|machin[e] --config' || true`);

describe("machines, each with namespaces and folders of its own", { timeout: TIMEOUT_MS }, () => {
  let clean: string;

  it("init is refused by the names of the checks that fail", async () => {
    clean = await leftOn(first);
    await must(first.host, "sysctl -qw net.ipv4.ip_forward=0");
    const refused = await first.host.r2k(["init", "--config", configOf(first)]);
    expect(refused).toMatchObject({ code: 2 });
    const check = "[ERROR FileContent--proc-sys-net-ipv4-ip_forward]";
    expect(refused.stderr).toContain(check);
    expect(existsSync(join(machines.dir, "cp-1/etc/upper/kubernetes"))).toBe(false);
    await must(first.host, "sysctl -qw net.ipv4.ip_forward=1");
  });

  it("init makes a control plane of static pods, and goes on where it was ended", async () => {
    // Ended before the kubelet: certificates, kubeconfigs and manifests are there.
    for (const phase of ["certs", "kubeconfig", "etcd"]) {
      const ran = await first.host.r2k(["init", "phase", phase, "--config", configOf(first)]);
      expect(ran.code, ran.stderr).toBe(0);
    }
    const ca = await must(first.host, "cat /etc/kubernetes/pki/ca.key");
    const ignored = "--ignore-preflight-errors=all";
    const endpoint = ["--control-plane-endpoint", `${first.address}:6443`, "--upload-certs"];
    const args = ["init", "--config", configOf(first), "--token", TOKEN, ignored, ...endpoint];
    const init = await first.host.r2k(args);
    expect(init.code, init.stderr).toBe(0);
    certificateKey = /--certificate-key (\w{64})/.exec(init.stdout)?.[1] ?? "";
    expect(init.stderr).toContain('[certs] Using existing "apiserver" certificate and key');
    expect(init.stdout).toContain(`r2k join ${first.address}:6443 --token ${TOKEN}`);
    expect(await must(first.host, "cat /etc/kubernetes/pki/ca.key")).toBe(ca);
    await until("the node", readyOf("cp-1"), (answer) => answer === "True");
    const pods = ["get", "pods", "-n", "kube-system", "-l", "tier=control-plane", "-o", "name"];
    await until("the static pods", pods, (names) => names.trim().split("\n").length === 4);
  });

  it("a further user has a kubeconfig by the cluster's CA", async () => {
    const words = ["kubeconfig", "user", "--client-name", "ann", "--org", "dev"];
    const made = await first.host.r2k(words);
    expect(made.code, made.stderr).toBe(0);
    await must(first.host, "cat > /run/ann.conf", made.stdout);
    const whoami = "kubectl --kubeconfig /run/ann.conf auth whoami -o json; rm /run/ann.conf";
    const { status } = JSON.parse(await must(first.host, whoami)) as {
      status: { userInfo: { username: string; groups: string[] } };
    };
    expect(status.userInfo).toMatchObject({ username: "ann", groups: ["dev", expect.anything()] });
  });

  it("a wrong hash and a wrong token leave nothing on the machine that joins", async () => {
    const clean = await leftOn(second);
    const endpoint = `${first.address}:6443`;
    const join = (token: string, hash: string) => second.host.r2k([
      "join", endpoint, "--token", token, "--discovery-token-ca-cert-hash", hash,
    ]);
    expect((await join(TOKEN, "sha256:00")).stderr).toContain("not sha256:00");
    const wrong = await join("abcdef.0000000000000000", "sha256:00");
    expect(wrong.stderr).toContain("the token's secret is wrong");
    const unknown = await join("zzzzzz.0123456789abcdef", "sha256:00");
    expect(unknown.stderr).toContain("is not known to the cluster, or has ended");
    expect(await leftOn(second)).toBe(clean);
  });

  it("a machine joins by the printed command, once under its name", async () => {
    const printed = await first.host.r2k(["token", "create", "--print-join-command"]);
    const words = printed.stdout.trim().split(" ").slice(1);
    const joined = await second.host.r2k([...words, "--config", configOf(second)]);
    expect(joined.code, joined.stderr).toBe(0);
    await until("the worker", readyOf("worker-1"), (answer) => answer === "True");
    expect(await must(second.host, "ls /etc/kubernetes")).not.toContain("bootstrap-kubelet.conf");
    const again = await second.host.r2k([...words, "--ignore-preflight-errors=all"]);
    expect(again.stderr).toContain('name "worker-1" and status "Ready" already exists');
  });

  it("a second control plane joins by the key, votes in the store, and leaves it", async () => {
    const { stdout } = await first.host.r2k(["token", "create", "--print-join-command"]);
    const words = [...stdout.trim().split(" ").slice(1), "--control-plane", "--config",
      configOf(third)];
    const before = await leftOn(third);
    const wrong = await third.host.r2k([...words, "--certificate-key", "0".repeat(64)]);
    expect(wrong.stderr).toContain("the certificate key does not fit");
    expect(await leftOn(third)).toBe(before);
    const joined = await third.host.r2k([...words, "--certificate-key", certificateKey]);
    expect(joined.code, joined.stderr).toBe(0);
    await until("the second control plane", readyOf("cp-2"), (answer) => answer === "True");
    const own = ["--server", `https://${third.address}:6443`];
    const made = await kubectl(...own, "create", "configmap", "from-second");
    expect(made.stdout, made.stderr).toContain("created");
    expect((await kubectl("get", "configmap", "from-second", "-o", "name")).code).toBe(0);
    const reset = await third.host.r2k(["reset", "--force"]);
    expect(reset.stderr).toContain("Removing this machine's member of etcd");
    expect(await leftOn(third)).toBe(before);
    // Alone again, the first has a majority.
    const after = await kubectl("create", "configmap", "from-first");
    expect(after.stdout, after.stderr).toContain("created");
    await kubectl("delete", "node", "cp-2");
  });

  it("pods on the worker are reached by a Service's name", async () => {
    const node = "/usr/local/bin/node";
    const serve = "require('http').createServer((_, s) => s.end('served')).listen(80)";
    const image = "--image=registry.k8s.io/kube-proxy:v1.36.0";
    await kubectl("create", "deployment", "web", image, "--", node, "-e", serve);
    await kubectl("expose", "deployment", "web", "--port", "80");
    const ask = "fetch('http://web.default.svc.cluster.local').then(async (r) => " +
      "console.log(await r.text()))";
    const args = ["exec", "deploy/web", "--", node, "-e", ask];
    await until("the answer", args, (answer) => answer === "served\n");
  });

  it("an edited manifest changes the component; one with an error does not end it", async () => {
    const file = "/etc/kubernetes/manifests/kube-scheduler.yaml";
    const uid = ["get", "pod", "-n", "kube-system", "kube-scheduler-cp-1",
      "-o", "jsonpath={.metadata.annotations.kubernetes\\.io/config\\.hash}"];
    const { stdout: before } = await kubectl(...uid);
    await must(first.host, `sed -i s/leader-elect=true/leader-elect=false/ ${file}`);
    const after = await until("another pod", uid, (hash) => hash !== "" && hash !== before);
    const running = async () => {
      const args = await must(first.host, "ps -eo args --no-headers");
      return args.split("\n").filter((line) => line.includes("kube-scheduler --auth"))
        .join("\n") || undefined;
    };
    const limits = { clock: systemClock(), timeout_ms: 30_000, interval_ms: 250 };
    expect(await waitFor("its process", running, limits)).toContain("--leader-elect=false");
    await must(first.host, `echo 'broken: [' >> ${file}`);
    const log = "grep 'a static pod file cannot be used' /var/lib/r2k/.machine/logs/machine.log";
    const said = async () => (await first.host.run("sh", ["-c", log])).stdout || undefined;
    expect(await waitFor("the error", said, limits)).toContain(file);
    const events = ["get", "events", "--field-selector=reason=InvalidStaticPod",
      "-o", "jsonpath={.items[*].message}"];
    await until("its event", events, (message) => message.includes(file));
    expect(await running()).toContain("--leader-elect=false");
    expect((await kubectl(...uid)).stdout).toBe(after);
  });

  it("reset leaves a machine as it was", async () => {
    for (const machine of [second, first]) {
      const reset = await machine.host.r2k(["reset", "--force"]);
      expect(reset.code, reset.stderr).toBe(0);
    }
    expect(await leftOn(first)).toBe(clean);
    expect(await leftOn(second)).toBe(clean);
  });
});
