import type { Members, PeerMember } from "@raft2kube/proto/gen/peer.ts";
import type { ClientTls } from "@raft2kube/rpc/client.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { initialMembership } from "../core/membership.ts";
import type { LogBase, Membership } from "../core/types.ts";
import type { MemberRecord } from "../mvcc/state/cluster/members.ts";
import type { Identity } from "../mvcc/state/state.ts";
import { clusterIdOf, memberIdOf, soleIds } from "./member-ids.ts";

/** How a member finds the others at its very first start. Later its data directory knows them. */
export interface ClusterOptions {
  /** The addresses that other members get. */
  advertiseUrls: string[];
  /** Every member's peer URLs by its name, this one's included. */
  initialCluster: Record<string, string[]>;
  /** `existing` joins a cluster to which this member was added before. Default `new`. */
  initialState?: "new" | "existing";
}

export interface BootstrapOptions {
  name: string;
  token: string;
  cluster: ClusterOptions | undefined;
  tls: ClientTls | undefined;
  /** Asks the first of these addresses that answers for the cluster's members. */
  fetchMembers: (urls: string[], tls: ClientTls | undefined) => Promise<Members | undefined>;
}

/** The membership and log position that a member without state starts with. */
export interface Bootstrap {
  identity: Identity;
  membership: Membership;
  members: MemberRecord[];
  base: LogBase;
}

/**
 * All members of a new cluster start their log after entry 1. A member that joins later starts
 * after entry 0, which no log reaches back to: the leader sends it a snapshot.
 */
const BIRTH: LogBase = { index: 1, term: 1 };
const NOTHING: LogBase = { index: 0, term: 0 };

export class BootstrapError extends CodedError {
  constructor(code: string, message: string, remedy: string) {
    super(code, message, { remedy });
  }
}

/** Determines the identity of a member with an empty data directory. */
export async function bootstrap(options: BootstrapOptions): Promise<Bootstrap> {
  const { cluster, name, token } = options;
  if (!cluster) {
    const identity = soleIds(name, token);
    const own = { ID: identity.memberId, name: "", peerURLs: [], clientURLs: [] };
    const membership = initialMembership([own.ID]);
    return { identity, membership, members: [own], base: BIRTH };
  }
  checkOwn(name, cluster);
  return cluster.initialState === "existing" ? join(options, cluster) : found(options, cluster);
}

/**
 * Checks the member's own line, which must exist and name the advertised addresses (as etcd
 * demands).
 */
function checkOwn(name: string, { initialCluster, advertiseUrls }: ClusterOptions): void {
  const own = initialCluster[name];
  const remedy = "give --initial-cluster this member's own name and advertised peer URLs";
  if (!own) throw new BootstrapError("INITIAL_CLUSTER", `no member named ${name} in it`, remedy);
  if (sameUrls(own, advertiseUrls)) return;
  const message = `${name} is at ${own.join(",")}, but advertises ${advertiseUrls.join(",")}`;
  throw new BootstrapError("INITIAL_CLUSTER", message, remedy);
}

async function found(options: BootstrapOptions, cluster: ClusterOptions): Promise<Bootstrap> {
  const members = Object.values(cluster.initialCluster).map((peerURLs) => {
    return { ID: memberIdOf(peerURLs, options.token), name: "", peerURLs, clientURLs: [] };
  });
  const ids = members.map(({ ID }) => ID);
  if (new Set(ids).size < ids.length) {
    const remedy = "give each member peer URLs of its own";
    throw new BootstrapError("INITIAL_CLUSTER", "two members have the same peer URLs", remedy);
  }
  const memberId = memberIdOf(cluster.advertiseUrls, options.token);
  const clusterId = clusterIdOf(ids);
  const running = await options.fetchMembers(othersUrls(options.name, cluster), options.tls);
  if (running?.clusterId === clusterId) refuseStarted(running.members, memberId);
  const membership = initialMembership(ids);
  return { identity: { clusterId, memberId }, membership, members, base: BIRTH };
}

async function join(options: BootstrapOptions, cluster: ClusterOptions): Promise<Bootstrap> {
  const urls = othersUrls(options.name, cluster);
  const running = await options.fetchMembers(urls, options.tls);
  if (!running) {
    const message = `no member of the cluster answered at ${urls.join(", ")}`;
    throw new BootstrapError("NO_MEMBER", message, "start it, or correct --initial-cluster");
  }
  const own = running.members.find(({ peerUrls }) => sameUrls(peerUrls, cluster.advertiseUrls));
  if (!own) {
    const message = `the cluster has no member at ${cluster.advertiseUrls.join(",")}`;
    throw new BootstrapError("NOT_ADDED", message, "add it first: etcdctl member add");
  }
  refuseStarted(running.members, own.ID);
  const identity = { clusterId: running.clusterId, memberId: own.ID };
  const members = running.members.map(({ ID, name, peerUrls, clientUrls }) => {
    return { ID, name, peerURLs: peerUrls, clientURLs: clientUrls };
  });
  return { identity, membership: initialMembership([]), members, base: NOTHING };
}

function othersUrls(name: string, { initialCluster }: ClusterOptions): string[] {
  return Object.entries(initialCluster).flatMap(([each, urls]) => (each === name ? [] : urls));
}

/** One that voted and has forgotten it could vote twice: it must come back under a new id. */
function refuseStarted(members: PeerMember[], id: bigint): void {
  if (!members.find(({ ID }) => ID === id)?.name) return;
  throw new BootstrapError(
    "MEMBER_BOOTSTRAPPED",
    `member ${id.toString(16)} has run before, and its data directory is empty`,
    "restore the directory; or remove the member and add it again, to start as existing",
  );
}

function sameUrls(a: string[], b: string[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}
