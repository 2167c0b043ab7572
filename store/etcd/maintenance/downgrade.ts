import { EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  DowngradeRequest_DowngradeAction as Action,
  type DowngradeRequest,
  type DowngradeResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { clusterVersion } from "../../mvcc/apply/downgrade.ts";
import { header } from "../../mvcc/state/state.ts";
import { type EtcdContext, proposeCommand, readBarrier } from "../request/context.ts";

/**
 * Maintenance.Downgrade: says whether the cluster may go back by one minor version, starts that,
 * or ends it. While it lasts the cluster says it is of that version, and snapshots are as its etcd
 * reads them. The answer names the version before (upstream: etcdserver/version).
 */
export async function downgrade(
  context: EtcdContext,
  request: DowngradeRequest,
): Promise<DowngradeResponse> {
  const { state } = context;
  switch (request.action) {
    case Action.VALIDATE: {
      await validate(context, request.version);
      return { header: header(state), version: shortVersion(context) };
    }
    case Action.ENABLE: {
      const ver = await validate(context, request.version);
      const version = shortVersion(context);
      const set = { kind: "downgrade-set", request: { enabled: true, ver } } as const;
      const { header: at } = await proposeCommand<"downgrade-set">(context, set);
      return { header: at, version };
    }
    case Action.CANCEL: {
      await readBarrier(context);
      const version = shortVersion(context);
      // To end what never started is no mistake to etcd either.
      if (state.downgradeTarget === undefined) return { header: header(state), version };
      const set = { kind: "downgrade-set", request: { enabled: false, ver: "" } } as const;
      const { header: at } = await proposeCommand<"downgrade-set">(context, set);
      return { header: at, version };
    }
    default:
      throw new EtcdError(Status.UNKNOWN, "etcdserver: unknown method");
  }
}

/** The target as `major.minor.0`, when the cluster may go there now. */
async function validate(context: EtcdContext, version: string): Promise<string> {
  const target = targetOf(version);
  await readBarrier(context);
  const [major, minor] = clusterVersion(context.state).split(".").map(Number);
  const allowed = `${major}.${minor! - 1}.0`;
  if (target !== allowed) throw etcdError("invalidDowngradeTarget");
  if (context.state.downgradeTarget !== undefined) throw etcdError("downgradeInProgress");
  return target;
}

const SEMVER = /^([0-9]+)\.([0-9]+)\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** The target of a downgrade, by the first two numbers of a version; the rest is ignored. */
function targetOf(version: string): string {
  const found = SEMVER.exec(version) ?? SEMVER.exec(`${version}.0`);
  if (!found) throw etcdError("wrongDowngradeFormat");
  return `${Number(found[1])}.${Number(found[2])}.0`;
}

/** Returns the first two numbers of a version, as etcd names the cluster's. */
function shortVersion({ state }: EtcdContext): string {
  return clusterVersion(state).replace(/\.[0-9]+$/, "");
}
