import type { Command } from "commander";

/** A command loads its own code, so that `r2k version` does not pay for `r2k start`. */
export type Load = () => Promise<{ command(): Command }>;

type Table = Readonly<Record<string, Load>>;

/** The commands by name; `help.txt` has a line for each. */
export const COMMANDS: Table = {
  start: () => import("./commands/start.ts"),
  down: () => import("./commands/down.ts"),
  list: () => import("./commands/list.ts"),
  status: () => import("./commands/status.ts"),
  doctor: () => import("./commands/doctor.ts"),
  dashboard: () => import("./commands/dashboard.ts"),
  explain: () => import("./commands/explain.ts"),
  logs: () => import("./commands/logs.ts"),
  node: () => import("./commands/node.ts"),
  init: () => import("./commands/init.ts"),
  join: () => import("./commands/join.ts"),
  token: () => import("./commands/token.ts"),
  certs: () => import("./commands/certs.ts"),
  kubeconfig: () => import("./commands/kubeconfig.ts"),
  upgrade: () => import("./commands/upgrade.ts"),
  config: () => import("./commands/config.ts"),
  reset: () => import("./commands/reset.ts"),
  "control-plane": () => import("./commands/control-plane.ts"),
  image: () => import("./commands/image.ts"),
  "support-bundle": () => import("./commands/support-bundle.ts"),
  backup: () => import("./commands/backup.ts"),
  restore: () => import("./commands/restore.ts"),
  container: () => import("./commands/container.ts"),
  lab: () => import("./commands/lab.ts"),
  shell: () => import("./commands/shell.ts"),
  completion: async () => {
    const { completionCommand } = await import("./commands/completion.ts");
    return { command: () => completionCommand(allCommands) };
  },
  version: () => import("./commands/version.ts"),
};

/** One part alone: a process of a cluster, or a component with upstream's flags. */
export const PARTS: Table = {
  control: () => import("./process/control.ts"),
  host: () => import("./process/host.ts"),
  node: () => import("./process/node-or-guest.ts"),
  machine: () => import("./process/machine.ts"),
  "node-join": () => import("./process/node-join.ts"),
  renewal: () => import("./process/renewal.ts"),
  store: () => import("./parts/store.ts"),
  apiserver: () => import("./parts/apiserver.ts"),
  controllers: () => import("./parts/controllers.ts"),
  scheduler: () => import("./parts/scheduler.ts"),
  components: () => import("./parts/components.ts"),
  kubelet: () => import("./parts/kubelet.ts"),
  runtime: () => import("./parts/runtime.ts"),
  proxy: () => import("./parts/proxy.ts"),
  "network-policy": () => import("./parts/network-policy.ts"),
  overlay: () => import("./parts/overlay.ts"),
  coredns: () => import("./parts/coredns.ts"),
  dns: () => import("./parts/dns.ts"),
  ingress: () => import("./parts/ingress.ts"),
  cni: () => import("./parts/cni.ts"),
  "csi-hostpath": () => import("./parts/csi-hostpath.ts"),
  "csi-nfs": () => import("./parts/csi-nfs.ts"),
  "csi-provisioner": () => import("./parts/csi-provisioner.ts"),
  "csi-attacher": () => import("./parts/csi-attacher.ts"),
  "by-hand": () => import("./parts/by-hand.ts"),
  "kms-sample": () => import("./parts/kms-sample.ts"),
  "device-sample": () => import("./parts/device-sample.ts"),
  "device-gpu": () => import("./parts/device-gpu.ts"),
};

/** All that a person may call; of a name in both tables, the command. */
async function allCommands(): Promise<Command[]> {
  const loads = Object.values({ ...PARTS, ...COMMANDS });
  return Promise.all(loads.map(async (load) => (await load()).command()));
}
