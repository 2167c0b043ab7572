import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ASKED, conformanceImages, conformanceOn, LIMIT_MS } from "../conformance/mixed.ts";
import { demoOn, printed, readyOf } from "./machines/demo.ts";
import { hasPeers, KubeadmMachine } from "./machines/kubeadm-machine.ts";
import { type Machine, Machines } from "./machines/machine.ts";

const TIMEOUT = { timeout: 400_000 };
const ROOT = join(import.meta.dirname, "../..");
const ADMIN = "--kubeconfig=/etc/kubernetes/admin.conf";
/** The archive of the release's images, which `r2k init` makes. */
const ARCHIVE = join(ROOT, ".cache/release/registry.k8s.io.tar");
const IMAGE = "registry.k8s.io/kube-proxy:v1.36.0";

const isPossible = hasPeers("kubeadm", "kubelet");

describe.skipIf(!isPossible)("kubelet 1.36 joins our control plane by kubeadm", TIMEOUT, () => {
  let machines: Machines;
  let plane: Machine;
  const joined: KubeadmMachine[] = [];
  const kubectl = (args: readonly string[], input?: string) =>
    plane.host.run("kubectl", [ADMIN, ...args], input === undefined ? {} : { input });

  beforeAll(async () => {
    machines = await Machines.create();
    plane = await machines.add("plane");
    const file = join(machines.dir, "plane.yaml");
    const kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    writeFileSync(file, `${kind}cgroupRoot: /r2k/machines-${process.pid}-plane\n`);
    const init = await plane.host.r2k(["init", "--config", file, "--ignore-preflight-errors=all"]);
    expect(init.code, init.stderr).toBe(0);
  }, TIMEOUT.timeout);

  afterAll(async () => {
    await plane?.host.r2k(["reset", "--force"]);
    await machines.close();
    for (const each of joined) each.removeGroups();
  }, TIMEOUT.timeout);

  it.each([
    ["containerd", "containerd"],
    ["our runtime", "ours"],
  ] as const)("on %s it runs pods that a Service's name reaches", async (_, runtime) => {
    const name = `on-${runtime}`;
    const machine = await KubeadmMachine.prepare(await machines.add(name), {
      kubelet: "upstream",
      runtime,
      archives: [ARCHIVE, ...(ASKED ? [await conformanceImages()] : [])],
    });
    joined.push(machine);
    const { stdout } = await plane.host.r2k(["token", "create", "--print-join-command"]);
    const words = stdout.trim().replace(/^r2k/, "kubeadm");
    const flags = `--cri-socket ${machine.socket} --patches ${machine.patches}`;
    const ignored = "--ignore-preflight-errors=SystemVerification";
    const said = await machine.shell(`${words} ${flags} ${ignored}`);
    expect(said).toContain("This node has joined the cluster");
    await machine.startNetwork();
    await printed(kubectl, readyOf(name), (status) => status === "True");
    await demoOn(kubectl, name, IMAGE);
  });

  it.runIf(ASKED)("upstream's conformance tests pass", { timeout: LIMIT_MS }, async () => {
    expect(await conformanceOn(plane.host, "upstream-kubelet")).toEqual([]);
  });
});
