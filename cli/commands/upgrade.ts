import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { configureLog } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { buildOf } from "../apply/program-image.ts";
import { commandWith, type FlagsOf, type FlagTable, trueUnlessFalse } from "../flags.ts";
import { awaited, machineClient } from "../machine/context.ts";
import {
  KUBELET_KUBECONFIG,
  MANIFESTS_DIR,
  manifestPath,
  UPGRADE_BACKUP_DIR,
} from "../machine/layout.ts";
import { checkPatches } from "../machine/patches.ts";
import { clusterParts, ownMachine, storedConfig, tagOf } from "../machine/upgrade/cluster.ts";
import { API_TIMEOUT_MS } from "../machine/upgrade/lease.ts";
import { releaseFor, type Upgrade } from "../machine/upgrade/release.ts";
import { upgradeMachine } from "../machine/upgrade/upgrade.ts";
import { compareVersions, requireUpgradable } from "../machine/upgrade/versions.ts";
import { CommandError, table } from "../terminal.ts";
import { API_LEVEL } from "../version.ts";
import { machineContext } from "./machine-context.ts";

const FLAGS = {
  "--patches <dir>": "the folder of patches that this machine was made with",
} as const satisfies FlagTable;
const CHANGING_FLAGS = {
  ...FLAGS,
  "--certificate-renewal [boolean]": trueUnlessFalse(
    "renew the certificates of each static pod that is upgraded, and the administrator's",
  ),
} as const satisfies FlagTable;
type Flags = FlagsOf<typeof FLAGS> & Partial<FlagsOf<typeof CHANGING_FLAGS>>;

const STEPS = [
  { name: "plan", text: "Print what would change, and what forbids it.", run: plan },
  { name: "diff", text: "Print how this machine's static pods would change.", run: diff },
  { name: "apply", text: "Upgrade the first control plane machine.", run: apply },
  { name: "node", text: "Upgrade this machine, after the first one.", run: node },
];

/** `r2k upgrade`: takes a cluster of init and join to this release, in kubeadm's words. */
export function command(): Command {
  const upgrade = new Command("upgrade").description("Take a cluster of machines to this release.");
  for (const { name, text, run } of STEPS) {
    const flags = run === apply || run === node ? CHANGING_FLAGS : FLAGS;
    const step = commandWith(name, text, flags, async () => {
      await run(await assemble(step.opts(), run === node), step.args[0]);
    });
    if (run === apply) step.argument("[version]", "this release's version, to be sure of it");
    upgrade.addCommand(step);
  }
  return upgrade;
}

async function assemble(flagged: Flags, mayBeWorker: boolean): Promise<Upgrade> {
  const { patches: directory, certificateRenewal } = flagged;
  configureLog({ level: "warn" });
  const { flags, manifests } = await ownMachine();
  const isPlane = manifests.size > 0;
  await checkPatches(directory, isPlane ? [...manifests.keys()] : undefined);
  if (!isPlane && !mayBeWorker) {
    const what = `${flags.nodeName} is no control plane machine`;
    const remedy = "run this on one; here r2k upgrade node comes after it";
    throw new CommandError("NO_CONTROL_PLANE", what, { remedy });
  }
  const kubeconfig = isPlane ? undefined : KUBELET_KUBECONFIG;
  using client = await machineClient({ clock: systemClock() }, kubeconfig);
  const ask = () => client.requestText({ method: "GET", path: "/readyz" });
  if (existsSync(UPGRADE_BACKUP_DIR)) {
    await awaited(client, "the API server", ask, API_TIMEOUT_MS, {
      code: "UPGRADE",
      text: "the API server does not answer since an upgrade was interrupted",
      remedy: `cp ${UPGRADE_BACKUP_DIR}/*.yaml ${MANIFESTS_DIR} puts the old manifests back`,
    });
  }
  const { config, version } = await storedConfig(client, isPlane);
  const init = { ...config.init, ...given({ patches: directory ? { directory } : undefined }) };
  const context = machineContext({ ...config, init }, flags, "init");
  const renewsCertificates = certificateRenewal === "true";
  return { context, manifests, cluster: version, build: buildOf("main.js"), renewsCertificates };
}

async function plan(upgrade: Upgrade): Promise<void> {
  const { context, manifests, cluster, build } = upgrade;
  const { nodeName } = context;
  using client = await machineClient(context);
  const parts = await clusterParts(client, cluster);
  const { texts } = await releaseFor(upgrade);
  const pods = [...manifests].map(([pod, text]) => {
    return [pod, nodeName, tagOf(text), tagOf(texts.get(pod) ?? "")];
  });
  const nodes = [...parts.kubelets].map(([name, version]) => ["kubelet", name, version, API_LEVEL]);
  process.stdout.write(`Cluster version: ${cluster}; API server: ${parts.apiServer}
This r2k: ${API_LEVEL} (build ${build})

${table([["COMPONENT", "NODE", "CURRENT", "TARGET"], ...pods, ...nodes])}

`);
  requireUpgradable(API_LEVEL, parts);
  process.stdout.write(`On ${nodeName}: r2k upgrade apply ${API_LEVEL}
On each other machine, its pods drained: r2k upgrade node
`);
}

async function diff(upgrade: Upgrade): Promise<void> {
  for (const [pod, input] of (await releaseFor(upgrade)).texts) {
    const path = manifestPath(pod);
    const words = ["-u", "--label", path, "--label", "new manifest", path, "-"];
    const { error } = spawnSync("diff", words, { input, stdio: ["pipe", "inherit", "inherit"] });
    if (error) throw error;
  }
}

/** `version` is this release's, by which a user can be sure of it. */
async function apply(upgrade: Upgrade, version = API_LEVEL): Promise<void> {
  if (compareVersions(version, API_LEVEL) !== 0) {
    throw new CommandError("VERSION", `this r2k upgrades to ${API_LEVEL}, not to ${version}`, {
      remedy: `run the r2k of ${version}`,
    });
  }
  await carryOut(upgrade, true);
}

async function node(upgrade: Upgrade): Promise<void> {
  await carryOut(upgrade, false);
  process.stdout.write(`Then: kubectl uncordon ${upgrade.context.nodeName}\n`);
}

/** Carries an upgrade out; after Ctrl-C it is CommandError `INTERRUPTED` that it ended early. */
async function carryOut(upgrade: Upgrade, isFirst: boolean): Promise<void> {
  const { signal, nodeName } = upgrade.context;
  await upgradeMachine(upgrade, isFirst).catch((cause: unknown) => {
    if (!signal.aborted) throw cause;
    throw new CommandError("INTERRUPTED", "the upgrade was interrupted", {
      remedy: "run it again: it goes on from there",
      exitCode: 130,
    });
  });
  const release = `${API_LEVEL} (build ${upgrade.build})`;
  process.stdout.write(`\n[upgrade] SUCCESS! ${nodeName} runs ${release}.\n`);
}
