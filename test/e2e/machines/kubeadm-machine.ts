import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installPlugins } from "@raft2kube/cli/apply/plugins.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { Outcome } from "../own-host.ts";
import type { Machine } from "./machine.ts";

export const PEERS = join(import.meta.dirname, "../../../.peers/bin");

/** Whether upstream's programs were built here (`npm run peers`). */
export const hasPeers = (...names: string[]): boolean =>
  names.every((name) => existsSync(join(PEERS, name)));

/** `kubeadm upgrade apply` restarts one component after the other. */
const SCRIPT_TIMEOUT_MS = 360_000;

/** The range of pods on machines. */
export const POD_SUBNET = "10.244.0.0/16";

const SOCKETS = {
  ours: "unix:///run/r2k/cri.sock",
  containerd: "unix:///run/containerd/containerd.sock",
};

/** The programs of a machine, and the images that its runtime loads. */
export interface Programs {
  readonly kubelet: "ours" | "upstream";
  readonly runtime: "ours" | "containerd";
  /** Archives of images, that of `r2k image build-release` among them. */
  readonly archives: readonly string[];
}

const CONFLIST = JSON.stringify({
  cniVersion: "1.0.0",
  name: "overlay",
  plugins: [
    {
      type: "flannel",
      subnetFile: "/run/r2k/overlay/subnet.env",
      delegate: { isDefaultGateway: true, hairpinMode: true },
    },
    { type: "portmap", capabilities: { portMappings: true } },
  ],
});

const CONTAINERD = `
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10.2"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
`;

/** The kubelet's unit of upstream's packages with the drop-in of kubeadm, as a loop. */
const KUBELET_SERVICE = `
trap 'kill $child; wait $child; exit' TERM
echo $$ > /run/kubelet-service.pid
while :; do
  if [ -e /var/lib/kubelet/config.yaml ]; then
    . /var/lib/kubelet/kubeadm-flags.env
    kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \\
      --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \\
      $KUBELET_KUBEADM_ARGS &
    child=$!
    wait $child
  fi
  sleep 0.5
done
`;

/** A machine as upstream's kubeadm expects it: a CRI runtime, and a kubelet that is restarted. */
export class KubeadmMachine {
  readonly machine: Machine;
  readonly socket: string;
  /** A folder of patches, by which machines on one kernel have groups of their own. */
  readonly patches: string;
  readonly #bin: string;
  readonly #cgroup: string;

  private constructor(machine: Machine, { runtime }: Programs) {
    this.machine = machine;
    this.socket = SOCKETS[runtime];
    this.patches = join(machine.host.dir, "patches");
    this.#bin = join(machine.host.dir, "bin");
    this.#cgroup = `/r2k/machines-${process.pid}-${machine.name}`;
  }

  static async prepare(machine: Machine, programs: Programs): Promise<KubeadmMachine> {
    const made = new KubeadmMachine(machine, programs);
    made.#install(programs.kubelet);
    await installPlugins(join(machine.host.dir, "-opt-cni/bin"));
    // Without systemd in a namespace, kubeadm is to find no systemctl either.
    await made.shell(
      `
      service=$(command -v systemctl || true)
      [ -z "$service" ] || mount --bind /dev/null "$service"
      for group in /sys/fs/cgroup /sys/fs/cgroup/*; do
        if [ -e $group/cgroup.procs ]; then mkdir -p $group${made.#cgroup}; fi
      done
      mkdir -p /etc/cni/net.d
      cat > /etc/cni/net.d/10-flannel.conflist`,
      CONFLIST,
    );
    if (programs.runtime === "containerd") await made.#startContainerd(programs);
    else await made.#startRuntime(programs);
    await made.shell("cat > /run/kubelet-service", KUBELET_SERVICE);
    await made.#serve("kubelet", "sh /run/kubelet-service");
    return made;
  }

  #install(kubelet: Programs["kubelet"]): void {
    for (const dir of [this.#bin, this.patches]) mkdirSync(dir);
    mkdirSync(join(this.machine.host.dir, "-opt-cni/bin"));
    const script = (name: string, words: string) =>
      writeFileSync(join(this.#bin, name), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    script("r2k", this.machine.host.program.join(" "));
    if (kubelet === "ours") script("kubelet", "r2k kubelet");
    const peers = ["kubeadm", ...(kubelet === "upstream" ? ["kubelet"] : [])];
    for (const name of peers) symlinkSync(join(PEERS, name), join(this.#bin, name));
    writeFileSync(
      join(this.patches, "kubeletconfiguration+merge.yaml"),
      `cgroupRoot: ${this.#cgroup}\ncgroupDriver: cgroupfs\nfailCgroupV1: false\n`,
    );
  }

  async #startContainerd({ archives }: Programs): Promise<void> {
    await this.shell("cat > /run/containerd.toml", CONTAINERD);
    await this.#serve("containerd", "containerd --config /run/containerd.toml");
    await this.#until("containerd", "ctr version");
    for (const each of archives) await this.shell(`ctr -n k8s.io images import ${each}`);
  }

  async #startRuntime({ archives }: Programs): Promise<void> {
    // crun keeps controllers out of cgroup v2 by a mount that upstream's kubelet stumbles over.
    const flags = `--oci-runtime runc --cgroup-parent ${this.#cgroup}/sandboxes`;
    const loads = archives.map((each) => `--load ${each}`).join(" ");
    await this.#serve(
      "runtime",
      `env R2K_LOG=info r2k runtime --listen ${this.socket} ${loads} ${flags}`,
    );
    const loaded = `grep 'an archive is loaded' /var/log/runtime.log | grep ${archives.at(-1)}`;
    await this.#until("the images", loaded);
  }

  /** Connects its pods with those of other machines, once it has a Node. */
  async startNetwork(): Promise<void> {
    const conf = JSON.stringify({ Network: POD_SUBNET, Backend: { Type: "vxlan" } });
    await this.shell("cat > /run/net-conf.json", conf);
    const files = "--kubeconfig /etc/kubernetes/kubelet.conf --net-config-path /run/net-conf.json";
    const address = `--public-ip ${this.machine.address}`;
    await this.#serve("overlay", `r2k overlay ${files} ${address} --ip-masq`);
  }

  /** Ends the kubelet and what restarts it, as `systemctl stop kubelet` does. */
  async stopKubelet(): Promise<void> {
    const pid = "$(cat /run/kubelet-service.pid)";
    await this.shell(`kill ${pid}`);
    await this.#until("the end of the kubelet", `! kill -0 ${pid}`);
  }

  /** Runs a script with the machine's programs; throws with what it wrote when it fails. */
  async shell(script: string, input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, input);
    if (code !== 0) throw new Error(`${script}: ${stdout}${stderr}`);
    return stdout;
  }

  run(script: string, input = ""): Promise<Outcome> {
    const { host } = this.machine;
    const env = { PATH: `${this.#bin}:${process.env["PATH"]}` };
    return host.run("sh", ["-ec", script], { input, env, timeout_ms: SCRIPT_TIMEOUT_MS });
  }

  /** Removes its groups, after the machine was closed. */
  removeGroups(): void {
    const all = `find /sys/fs/cgroup/*${this.#cgroup} /sys/fs/cgroup${this.#cgroup}`;
    execFileSync("sh", ["-c", `${all} -depth -type d -exec rmdir {} + 2> /dev/null || true`]);
  }

  /** Starts a program that runs until the machine ends. */
  async #serve(name: string, command: string): Promise<void> {
    await this.shell(`setsid ${command} > /var/log/${name}.log 2>&1 < /dev/null &`);
  }

  async #until(what: string, command: string): Promise<void> {
    let last = "";
    const done = async () => {
      const { code, stderr } = await this.run(command);
      last = stderr;
      return code === 0 || undefined;
    };
    const limits = { clock: systemClock(), timeout_ms: 120_000, interval_ms: 500 };
    await waitFor(what, done, limits).catch((cause: unknown) => {
      throw new Error(`${command}: ${last}`, { cause });
    });
  }
}
