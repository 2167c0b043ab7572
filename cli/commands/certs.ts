import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { commandWith, type FlagsOf } from "../flags.ts";
import { keptLeaves, renewLeaf } from "../machine/certificates.ts";
import { CERTIFICATES_DIR } from "../machine/layout.ts";
import { CommandError, table } from "../terminal.ts";

const FLAGS = { "--cert-dir <dir>": ["where they are", CERTIFICATES_DIR] } as const;

/** `r2k certs`: certificates of a control plane machine, with kubeadm's words. */
export function command(): Command {
  const renewing = "Issue them again, for the same names and keys.";
  const renewal = commandWith("renew", renewing, FLAGS);
  return new Command("certs")
    .description("Certificates of a control plane machine.")
    .addCommand(commandWith("check-expiration", "Print when they end.", FLAGS, check))
    .addCommand(renewal.argument("<name>", "one by its name, or all").action(renew));
}

type Flags = FlagsOf<typeof FLAGS>;

async function check({ certDir }: Flags): Promise<void> {
  const rows = (await keptLeaves(certDir)).map(({ name, cert, authority }) => {
    return [name, cert.validToDate.toISOString(), authority.replace("/", "-")];
  });
  const heads = ["CERTIFICATE", "EXPIRES", "CERTIFICATE AUTHORITY"];
  process.stdout.write(`${table([heads, ...rows])}\n`);
}

async function renew(wanted: string, { certDir }: Flags): Promise<void> {
  const kept = await keptLeaves(certDir);
  const chosen = kept.filter(({ name }) => wanted === "all" || name === wanted);
  if (chosen.length === 0) {
    throw new CommandError("CERTIFICATE", `there is no certificate "${wanted}" on this machine`, {
      remedy: `all, or one of ${kept.map(({ name }) => name).join(", ")}`,
    });
  }
  const now_ms = systemClock().now();
  for (const leaf of chosen) {
    await renewLeaf(certDir, leaf, now_ms);
    process.stdout.write(`certificate ${leaf.name} renewed\n`);
  }
  process.stdout.write(
    "Done renewing certificates. You must restart the kube-apiserver, " +
      "kube-controller-manager, kube-scheduler and etcd, so that they can use the new " +
      "certificates.\n",
  );
}
