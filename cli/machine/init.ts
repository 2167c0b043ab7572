import { own } from "@raft2kube/std/own.ts";
import { CommandError } from "../terminal.ts";
import type { MachineContext } from "./context.ts";
import {
  addonPhase,
  bootstrapToken,
  markControlPlane,
  showJoinCommand,
  uploadCerts,
  uploadConfig,
  waitControlPlane,
} from "./phases/cluster.ts";
import {
  certsPhase,
  controlPlanePhase,
  etcdPhase,
  kubeconfigPhase,
  kubeletFinalize,
  kubeletStartPhase,
  manifestOf,
  storePods,
} from "./phases/files.ts";
import { checksOf, runPreflight } from "./preflight.ts";
import { CONTROL_PLANE, type StaticPod } from "./static-pods.ts";

/** A phase of `init`: run again, it goes on from what is there. */
export interface Phase {
  readonly name: string;
  /** The effect, for the help and the note at its start. */
  readonly text: string;
  run(context: MachineContext): Promise<void>;
}

/** The phases in kubeadm's order. */
export const INIT_PHASES: readonly Phase[] = [
  {
    name: "preflight",
    text: "Run pre-flight checks",
    run: (context) => runPreflight(context, checksOf(context, "init")),
  },
  { name: "certs", text: "Certificate generation", run: certsPhase },
  { name: "kubeconfig", text: "Generate all kubeconfig files", run: kubeconfigPhase },
  { name: "etcd", text: "Generate the static Pod manifest of etcd", run: etcdPhase },
  { name: "control-plane", text: "Generate the static Pod manifests", run: controlPlanePhase },
  { name: "kubelet-start", text: "Write kubelet settings and start it", run: kubeletStartPhase },
  { name: "wait-control-plane", text: "Wait for the control plane", run: waitControlPlane },
  { name: "upload-config", text: "Upload the configuration to ConfigMaps", run: uploadConfig },
  { name: "upload-certs", text: "Upload what control planes share", run: uploadCerts },
  { name: "mark-control-plane", text: "Mark a node as a control-plane", run: markControlPlane },
  { name: "bootstrap-token", text: "Make a token by which nodes join", run: bootstrapToken },
  { name: "kubelet-finalize", text: "Let the kubelet renew its certificate", run: kubeletFinalize },
  { name: "addon", text: "Install kube-proxy and CoreDNS", run: addonPhase },
  { name: "show-join-command", text: "Show the join command", run: showJoinCommand },
];

/** The phases but those that are skipped. Throws CommandError `PHASE` for a name that is none. */
export function selectPhases(skipped: readonly string[]): Phase[] {
  const names = INIT_PHASES.map(({ name }) => name);
  const unknown = skipped.find((name) => !names.includes(name));
  if (unknown === undefined) return INIT_PHASES.filter(({ name }) => !skipped.includes(name));
  throw new CommandError("PHASE", `there is no phase "${unknown}"`, {
    remedy: `phases are ${names.join(", ")}`,
  });
}

/** Runs phases in turn, each with a note at its start, until one fails or an interrupt. */
export async function runPhases(context: MachineContext, phases: readonly Phase[]): Promise<void> {
  for (const { name, text, run } of phases) {
    context.signal.throwIfAborted();
    context.progress.note(`[${name}] ${text}`);
    await run(context);
  }
}

/** Prints what `init` would do: the phases and their manifests; writes nothing. */
export async function dryRun(context: MachineContext, phases: readonly Phase[]): Promise<void> {
  const lines = phases.map(({ name, text }) => `[dryrun] would run ${name}: ${text}\n`);
  process.stdout.write(lines.join(""));
  const written = { etcd: storePods(context), "control-plane": CONTROL_PLANE };
  const pods = phases.flatMap(({ name }): readonly StaticPod[] => own(written, name) ?? []);
  for (const pod of pods) process.stdout.write(`---\n${await manifestOf(context, pod)}`);
}
