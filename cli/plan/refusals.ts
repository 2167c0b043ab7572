import { isDeepStrictEqual } from "node:util";
import { hasControlPlane, type Observation, runsInPart } from "../observe/cluster.ts";
import { type ClusterConfig, type NewClusterChoices, proxyModeOf } from "../spec/config.ts";
import { apiProcess } from "../spec/processes.ts";
import { CommandError } from "../terminal.ts";

/** A change of a cluster's configuration by flags. */
export interface Edit {
  /** The configuration as it is; undefined for a new cluster. */
  readonly existing: ClusterConfig | undefined;
  readonly wanted: ClusterConfig;
  /** The flags' values, those that only the start of a new cluster chooses among them. */
  readonly choices: NewClusterChoices;
  readonly addsNfsServer: boolean;
  readonly seen: Observation;
}

/** An edit of a cluster that exists. */
type Existing = Edit & { readonly existing: ClusterConfig };

interface Refusal {
  readonly code: string;
  readonly isRefused: (edit: Existing) => boolean;
  readonly message: (edit: Existing) => string;
  readonly remedy: (edit: Existing) => string;
}

const FIXED = [
  "etcdServers",
  "etcdFiles",
  "storeMembers",
  "controlPlanes",
  "cniBinDir",
  "overlay",
  "nodeCidrMaskSize",
] as const;

/** The first that fits is thrown. */
const REFUSALS: readonly Refusal[] = [
  {
    code: "FIXED",
    isRefused: ({ existing, choices }) =>
      FIXED.some((name) => {
        const isCount = name === "storeMembers" || name === "controlPlanes";
        const now = isCount ? (existing[name] ?? 1) : existing[name];
        return choices[name] !== undefined && !isDeepStrictEqual(choices[name], now);
      }),
    message: ({ wanted: { name } }) => {
      return `"${name}" exists; its store, plugins and ranges cannot change`;
    },
    remedy: ({ wanted: { name } }) => {
      return `r2k down --purge --name ${name} first, or start without these flags`;
    },
  },
  whileRunning(
    ({ wanted, existing }) => wanted.apiPort !== existing.apiPort,
    ({ wanted: { apiPort } }) => `--api-port ${apiPort} cannot change its port`,
  ),
  whileRunning(
    ({ wanted, existing }) => (wanted.byHand ?? false) !== (existing.byHand ?? false),
    () => "the runtimes that pods may choose cannot change (--by-hand)",
  ),
  whileRunning(
    ({ wanted, existing }) => {
      return wanted.nodeMonitorGracePeriod_ms !== existing.nodeMonitorGracePeriod_ms;
    },
    () => "--node-monitor-grace-period cannot change",
  ),
  whileRunning(
    ({ wanted, existing }) => wanted.auditPolicyFile !== existing.auditPolicyFile,
    () => "--audit-policy-file cannot change",
  ),
  whileRunning(
    ({ wanted, existing }) => wanted.runtimeConfig !== existing.runtimeConfig,
    () => "--runtime-config cannot change",
  ),
  whileRunning(
    ({ wanted, existing }) => !isDeepStrictEqual(wanted.registries, existing.registries),
    () => "--registry cannot change",
  ),
  whileRunning(
    ({ wanted, existing }) => !isDeepStrictEqual(wanted.traces ?? false, existing.traces ?? false),
    () => "--traces cannot change",
  ),
  {
    code: "RUNNING",
    // A start leaves the nodes that run as they are.
    isRefused: ({ wanted, existing, seen }) => {
      const changes = proxyModeOf(wanted) !== proxyModeOf(existing);
      return changes && runsInPart(seen) && !hasControlPlane(seen, existing);
    },
    message: ({ wanted: { name } }) => `"${name}" runs in part; its mode cannot change now`,
    remedy: ({ wanted: { name, proxyMode } }) => {
      return `r2k start --name ${name}, then again with --proxy-mode ${proxyMode}`;
    },
  },
  whileRunning(
    ({ addsNfsServer }) => addsNfsServer,
    () => "--nfs-demo cannot add its server",
  ),
];

/** A setting that a start may change, but not while the cluster runs. */
function whileRunning(
  isChanged: (edit: Existing) => boolean,
  why: (edit: Existing) => string,
): Refusal {
  return {
    code: "RUNNING",
    isRefused: (edit) => edit.seen.running.has(apiProcess(edit.existing)) && isChanged(edit),
    message: (edit) => `"${edit.wanted.name}" is running; ${why(edit)} now`,
    remedy: ({ wanted: { name } }) => `r2k down --name ${name}, then start it with this flag`,
  };
}

/** Throws CommandError `FIXED` or `RUNNING` for an edit that the cluster cannot have now. */
export function refuseEdit({ existing, ...edit }: Edit): void {
  if (existing === undefined) return;
  const of = { ...edit, existing };
  const refusal = REFUSALS.find(({ isRefused }) => isRefused(of));
  if (refusal === undefined) return;
  throw new CommandError(refusal.code, refusal.message(of), { remedy: refusal.remedy(of) });
}
