import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { type Machine, Machines, must } from "./machines/machine.ts";
import { otherBuild } from "./machines/other-build.ts";

// Takes turns, control planes: see hard-way.test.ts.
const ADMIN = "/etc/kubernetes/admin.conf";
const MANIFEST = "/etc/kubernetes/manifests/control-plane.yaml";
const patience = { clock: machineClock(), timeout_ms: 90_000, interval_ms: 500 };

let machines: Machines;
let first: Machine;
let second: Machine;

beforeAll(async () => {
  machines = await Machines.create();
  first = await machines.add("cp-1");
  second = await machines.add("cp-2");
});

afterAll(async () => {
  for (const { host } of [second, first]) await host.r2k(["reset", "--force"]);
  await machines.close();
});

/** Groups are the machine's that runs the test: each machine has one of its own. */
function configOf(machine: Machine): string {
  const file = join(machines.dir, `${machine.name}.yaml`);
  const kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
  writeFileSync(file, `${kind}cgroupRoot: /r2k/one-process-${process.pid}-${machine.name}\n`);
  return file;
}

const kubectl = (...args: string[]) => first.host.run("kubectl", ["--kubeconfig", ADMIN, ...args]);
const until = (what: string, holds: () => Promise<boolean>) => waitFor(what, holds, patience);

/** The process ids and words of the components that run on a machine. */
async function components({ host }: Machine): Promise<string[]> {
  const all = await must(host, "ps -eo pid,args --no-headers");
  return all.split("\n").filter((line) => /bin\/(r2k components|etcd|kube-\w+) /.test(line));
}

describe("a control plane of one process, chosen for init", () => {
  let certificateKey: string;

  it("is one static pod, whose process is all components", async () => {
    const endpoint = ["--control-plane-endpoint", `${first.address}:6443`, "--upload-certs"];
    const more = ["--one-process", ...endpoint, "--ignore-preflight-errors=all"];
    const init = await first.host.r2k(["init", "--config", configOf(first), ...more]);
    expect(init.code, init.stderr).toBe(0);
    certificateKey = /--certificate-key (\w{64})/.exec(init.stdout)?.[1] ?? "";
    expect(await must(first.host, "ls /etc/kubernetes/manifests")).toBe("control-plane.yaml\n");
    const names = ["pods", "-n", "kube-system", "-l", "tier=control-plane", "-o", "name"];
    const pods = async () => (await kubectl("get", ...names)).stdout;
    await until("its pod", async () => (await pods()) === "pod/control-plane-cp-1\n");
    // The proxy's pods are there by the controllers and the scheduler.
    const proxies = ["pods", "-n", "kube-system", "-l", "k8s-app=kube-proxy", "-o", "name"];
    await until("the proxy", async () => (await kubectl("get", ...proxies)).stdout !== "");
    const running = (await components(first)).filter((line) => !line.includes("kube-proxy "));
    expect(running).toHaveLength(1);
    for (const name of ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]) {
      expect(running[0]).toContain(` ${name} --`);
    }
  });

  it("an edited manifest changes it, and no write is lost", async () => {
    const made = await kubectl("create", "configmap", "before");
    expect(made.stdout, made.stderr).toContain("created");
    await must(first.host, `sed -i 's/--snapshot-count=10000/--snapshot-count=9999/' ${MANIFEST}`);
    const isEdited = async () => {
      const found = await components(first);
      return found.some((line) => line.includes("--snapshot-count=9999"));
    };
    await until("the edited process", isEdited);
    const has = async () => (await kubectl("get", "configmap", "before")).code === 0;
    await until("the write", has);
  });

  it("takes a second machine, whose member votes, and lets it leave", async () => {
    const { stdout } = await first.host.r2k(["token", "create", "--print-join-command"]);
    const words = [...stdout.trim().split(" ").slice(1), "--config", configOf(second)];
    const plane = ["--control-plane", "--certificate-key", certificateKey];
    const joined = await second.host.r2k([...words, ...plane]);
    expect(joined.code, joined.stderr).toBe(0);
    expect(joined.stderr).toContain("[etcd] The new member has caught up and votes");
    expect(await must(second.host, "ls /etc/kubernetes/manifests")).toBe("control-plane.yaml\n");
    const own = ["--server", `https://${second.address}:6443`];
    const made = await kubectl(...own, "create", "configmap", "by-second");
    expect(made.stdout, made.stderr).toContain("created");
    const reset = await second.host.r2k(["reset", "--force"]);
    expect(reset.stderr).toContain("[reset] Removing this machine's member of etcd");
    expect(await must(second.host, "ls -A /var/lib/etcd 2>&1 || true")).toContain("No such file");
    // Alone again, the first has a majority.
    const after = await kubectl("create", "configmap", "by-first");
    expect(after.stdout, after.stderr).toContain("created");
    await kubectl("delete", "node", "cp-2");
  });

  it("is upgraded as one pod, and its certificates with it", async () => {
    first.host.program = otherBuild(join(machines.dir, "next"));
    const before = await first.expiring();
    const applied = await first.host.r2k(["upgrade", "apply"]);
    expect(applied.code, applied.stderr).toBe(0);
    expect(applied.stderr).toContain('Component "control-plane" upgraded successfully!');
    expect((await first.expiring()).filter((line) => before.includes(line))).toEqual([]);
    expect(await must(first.host, `grep image: ${MANIFEST}`)).toContain("_r2k.");
  });
});
