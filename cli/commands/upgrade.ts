import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { configureLog } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { buildOf } from "../apply/program-image.ts";
import { manifestPath, UPGRADE_BACKUP_DIR } from "../machine/layout.ts";
import { checkPatches } from "../machine/patches.ts";
import { ownMachine, storedConfig, tagOf, versionsOf } from "../machine/upgrade/cluster.ts";
import {
  applyUpgrade,
  machineClient,
  newManifests,
  requireControlPlane,
  type Upgrade,
  untilAnswered,
  upgradeNode,
  withImages,
} from "../machine/upgrade/upgrade.ts";
import { parseVersion, requireNone, upgradeFaults } from "../machine/upgrade/versions.ts";
import { CommandError, table } from "../terminal.ts";
import { API_LEVEL } from "../version.ts";
import { machineContext } from "./machine-context.ts";

/** `r2k upgrade`: takes a cluster of init and join to this release, in kubeadm's words. */
export function command(): Command {
  const upgrade = new Command("upgrade").description("Take a cluster of machines to this release.");
  const step = (name: string, text: string, run: (upgrade: Upgrade) => Promise<void>) =>
    withPatches(upgrade.command(name).description(text)).action(async (flags: Flags) =>
      run(await assemble(flags)),
    );
  step("plan", "Print what would change, and what forbids it.", plan);
  step("diff", "Print how this machine's static pods would change.", diff);
  withPatches(upgrade.command("apply").description("Upgrade the first control plane machine."))
    .argument("[version]", "this release's version, to be sure of it")
    .action(async (version: string | undefined, flags: Flags) => {
      await apply(version, await assemble(flags));
    });
  step("node", "Upgrade this machine, after the first one.", node);
  return upgrade;
}

const withPatches = (step: Command) =>
  step.option("--patches <dir>", "the folder of patches that this machine was made with");

type Flags = { readonly patches?: string };

async function assemble({ patches: directory }: Flags): Promise<Upgrade> {
  configureLog({ level: "warn" });
  await checkPatches(directory);
  const machine = await ownMachine();
  const clock = systemClock();
  if (existsSync(UPGRADE_BACKUP_DIR)) await untilAnswered({ clock }, machine);
  using client = await machineClient({ clock }, machine);
  const { config: stored, version } = await storedConfig(client, machine.manifests.size > 0);
  const init = { ...stored.init, ...given({ patches: directory ? { directory } : undefined }) };
  const context = machineContext(
    { ...stored, init },
    {
      nodeName: machine.nodeName,
      apiserverAdvertiseAddress: machine.address,
      apiserverBindPort: machine.bindPort,
    },
    "init",
  );
  return { context, machine, cluster: version, build: buildOf("main.js") };
}

async function plan({ context, machine, cluster, build }: Upgrade): Promise<void> {
  requireControlPlane(machine);
  using client = await machineClient(context, machine);
  const versions = await versionsOf(client, cluster);
  const texts = await newManifests(await withImages(context, build), machine);
  const pods = [...machine.manifests].map(([pod, text]) => {
    return [pod, machine.nodeName, tagOf(text), tagOf(texts.get(pod) ?? "")];
  });
  const nodes = [...versions.kubelets].map(([name, version]) => {
    return ["kubelet", name, version, API_LEVEL];
  });
  process.stdout.write(`Cluster version: ${cluster}; API server: ${versions.apiServer}
This r2k: ${API_LEVEL} (build ${build})

${table([["COMPONENT", "NODE", "CURRENT", "TARGET"], ...pods, ...nodes])}

`);
  requireNone(upgradeFaults(API_LEVEL, versions));
  process.stdout.write(`On ${machine.nodeName}: r2k upgrade apply ${API_LEVEL}
On each other machine, its pods drained: r2k upgrade node
`);
}

async function diff({ context, machine, build }: Upgrade): Promise<void> {
  requireControlPlane(machine);
  for (const [pod, input] of await newManifests(await withImages(context, build), machine)) {
    const path = manifestPath(pod);
    const words = ["-u", "--label", path, "--label", "new manifest", path, "-"];
    const { error } = spawnSync("diff", words, { input, stdio: ["pipe", "inherit", "inherit"] });
    if (error) throw error;
  }
}

async function apply(version: string | undefined, upgrade: Upgrade): Promise<void> {
  if (version !== undefined) requireOwnVersion(version);
  await namingInterrupt(upgrade, () => applyUpgrade(upgrade));
  process.stdout.write(
    `\n[upgrade] SUCCESS! ${upgrade.machine.nodeName} runs ${API_LEVEL} ` +
      `(build ${upgrade.build}).\n`,
  );
}

/** Runs `work`; after Ctrl-C it is CommandError `INTERRUPTED` that it ended early. */
async function namingInterrupt(
  { context: { signal } }: Upgrade,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new CommandError("INTERRUPTED", "the upgrade was interrupted", {
      remedy: "run it again: it goes on from there",
      exitCode: 130,
    });
  }
}

function requireOwnVersion(version: string): void {
  const { major, minor, patch } = parseVersion(version);
  if (`v${major}.${minor}.${patch}` === API_LEVEL) return;
  throw new CommandError("VERSION", `this r2k upgrades to ${API_LEVEL}, not to ${version}`, {
    remedy: `run the r2k of ${version}`,
  });
}

async function node(upgrade: Upgrade): Promise<void> {
  const { build } = upgrade;
  const { nodeName } = upgrade.machine;
  await namingInterrupt(upgrade, () => upgradeNode(upgrade));
  process.stdout.write(
    `\n[upgrade] ${nodeName} runs ${API_LEVEL} (build ${build}). Then: ` +
      `kubectl uncordon ${nodeName}\n`,
  );
}
