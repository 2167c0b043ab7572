import type { Imported, ImportOptions } from "@raft2kube/store/import.ts";
import { Command } from "commander";
import { clusterOf } from "../store/initial-cluster.ts";

interface ImportFlags {
  name: string;
  dataDir?: string;
  initialCluster?: string;
  initialAdvertisePeerUrls?: string;
  initialClusterToken: string;
}

/** `r2k store import FILE`: what `etcdctl snapshot restore` is to etcd, with its flags. */
export function importCommand(): Command {
  return new Command("import")
    .argument("<file>", "a snapshot (etcdctl snapshot save), or a stopped etcd member's db")
    .description("make a data directory from a snapshot of etcd or of this store")
    .option("--data-dir <dir>", "the directory to make (default NAME.etcd)")
    .option("--name <name>", "the member's name", "default")
    .option("--initial-cluster <members>", "all members, each to import the same file: a=URL,b=URL")
    .option("--initial-advertise-peer-urls <urls>", "where others will reach this one")
    .option("--initial-cluster-token <token>", "makes the cluster's id", "etcd-cluster")
    .action(run);
}

async function run(file: string, flags: ImportFlags): Promise<void> {
  const { importSnapshot } = await import("@raft2kube/store/import.ts");
  const options = optionsOf(file, flags);
  process.stdout.write(describe(options, await importSnapshot(options)));
}

function optionsOf(file: string, flags: ImportFlags): ImportOptions {
  const { name, dataDir = `${name}.etcd`, initialClusterToken: clusterToken } = flags;
  const options = { file, name, dataDir, clusterToken };
  if (flags.initialCluster === undefined) return options;
  const initialCluster = clusterOf(flags.initialCluster);
  const advertised = flags.initialAdvertisePeerUrls?.split(",") ?? initialCluster[name] ?? [];
  return { ...options, cluster: { initialCluster, advertiseUrls: advertised } };
}

function describe({ file, dataDir }: ImportOptions, imported: Imported): string {
  const { revision, compactRevision, records, leases, users, hasDigest } = imported;
  const { downgradeTarget: target } = imported;
  const compacted = compactRevision > 0 ? `, compacted at ${compactRevision}` : "";
  return [
    `imported ${file} into ${dataDir}: revision ${revision}${compacted}`,
    `${records} records, ${leases} leases, ${users} users`,
    ...(target === undefined ? [] : [`a downgrade to ${target} goes on in it`]),
    hasDigest ? "its SHA-256 is right" : "it has no SHA-256: a member's db, not a snapshot",
    "",
  ].join("\n");
}
