import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configureLog } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { buildOf } from "../apply/program-image.ts";
import type { MachineContext } from "../machine/context.ts";
import { manifestPath, UPGRADE_BACKUP_DIR } from "../machine/layout.ts";
import { checkPatches } from "../machine/patches.ts";
import { ownMachine, storedConfig, tagOf, versionsOf } from "../machine/upgrade/cluster.ts";
import { loadReleaseImages } from "../machine/upgrade/images.ts";
import {
  applyUpgrade,
  asMachine,
  newManifests,
  requireControlPlane,
  type Upgrade,
  untilAnswered,
  upgradeNode,
} from "../machine/upgrade/upgrade.ts";
import { parseVersion, requireNone, upgradeFaults } from "../machine/upgrade/versions.ts";
import { CommandError } from "../terminal.ts";
import { API_LEVEL } from "../version.ts";
import { machineContext } from "./machine-context.ts";

/** `r2k upgrade`: takes a cluster of init and join to this release, in kubeadm's words. */
export function command(): Command {
  const upgrade = new Command("upgrade").description("Take a cluster of machines to this release.");
  const step = (name: string, description: string) =>
    upgrade
      .command(name)
      .description(description)
      .option("--patches <dir>", "the folder of patches that this machine was made with");
  step("plan", "Print what would change, and what forbids it.").action(async (flags: Flags) =>
    plan(await assemble(flags)),
  );
  step("diff", "Print how this machine's static pods would change.").action(async (flags: Flags) =>
    diff(await assemble(flags)),
  );
  step("apply", "Upgrade the first control plane machine.")
    .argument("[version]", "this release's version, to be sure of it")
    .action(async (version: string | undefined, flags: Flags) => {
      await apply(version, await assemble(flags));
    });
  step("node", "Upgrade this machine, after the first one.").action(async (flags: Flags) =>
    node(await assemble(flags)),
  );
  return upgrade;
}

type Flags = { readonly patches?: string };

async function assemble({ patches: directory }: Flags): Promise<Upgrade> {
  configureLog({ level: "warn" });
  await checkPatches(directory);
  const machine = await ownMachine();
  const isControlPlane = machine.manifests.size > 0;
  const clock = systemClock();
  if (existsSync(UPGRADE_BACKUP_DIR)) await untilAnswered({ clock }, machine);
  const { config: stored, version } = await asMachine({ clock }, machine, (client) =>
    storedConfig(client, isControlPlane),
  );
  const init = { ...stored.init, ...(directory === undefined ? {} : { patches: { directory } }) };
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

const line = (...cells: string[]) =>
  cells
    .map((cell) => cell.padEnd(26))
    .join("")
    .trimEnd();

async function plan({ context, machine, cluster, build }: Upgrade): Promise<void> {
  requireControlPlane(machine);
  const versions = await asMachine(context, machine, (client) => versionsOf(client, cluster));
  const next = await withImages({ context, build });
  const texts = await newManifests(next, machine);
  const rows = [...machine.manifests].map(([pod, text]) =>
    line(pod, machine.nodeName, tagOf(text), tagOf(texts.get(pod) ?? "")),
  );
  const nodes = [...versions.kubelets].map(([name, version]) => {
    return line("kubelet", name, version, API_LEVEL);
  });
  process.stdout.write(`Cluster version: ${cluster}; API server: ${versions.apiServer}
This r2k: ${API_LEVEL} (build ${build})

${[line("COMPONENT", "NODE", "CURRENT", "TARGET"), ...rows, ...nodes].join("\n")}

`);
  requireNone(upgradeFaults(API_LEVEL, versions));
  process.stdout.write(`On ${machine.nodeName}: r2k upgrade apply ${API_LEVEL}
On each other machine, its pods drained: r2k upgrade node
`);
}

/** The context whose tags are those of the new manifests. */
async function withImages({ context, build }: Pick<Upgrade, "context" | "build">) {
  const buildOfImage = await loadReleaseImages(context, build);
  return { ...context, buildOf: buildOfImage } satisfies MachineContext;
}

async function diff({ context, machine, build }: Upgrade): Promise<void> {
  requireControlPlane(machine);
  const texts = await newManifests(await withImages({ context, build }), machine);
  const dir = mkdtempSync(join(tmpdir(), "r2k-upgrade-"));
  try {
    for (const [pod, text] of texts) {
      const path = join(dir, `${pod}.yaml`);
      writeFileSync(path, text);
      const labels = ["--label", manifestPath(pod), "--label", "new manifest"];
      const { error } = spawnSync("diff", ["-u", ...labels, manifestPath(pod), path], {
        stdio: "inherit",
      });
      if (error) throw error;
    }
  } finally {
    rmSync(dir, { recursive: true });
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
