import { isMapped, type MappedIds } from "@raft2kube/linux/user-namespace.ts";
import { readFileSync, statSync } from "node:fs";
import type { LinuxContainerSecurityContext } from "@raft2kube/proto/gen/cri.ts";
import { SupplementalGroupsPolicy } from "@raft2kube/proto/gen/cri.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { resolveBeneath } from "../image/resolve-beneath.ts";
import { ACCOUNT_FILE_BYTES } from "../limits.ts";
import { RuntimeError } from "../errors.ts";
import type { OciUser } from "./spec.ts";

interface Account {
  name: string;
  uid: number;
  gid: number;
}

interface Group {
  name: string;
  gid: number;
  members: string[];
}

/** An account file of the image; empty when the image has none. */
function readLines(rootfs: string, file: string): string[][] {
  try {
    const found = resolveBeneath(rootfs, file);
    const stats = statSync(found);
    if (!stats.isFile() || stats.size > ACCOUNT_FILE_BYTES) {
      throw new RuntimeError("invalid-argument", `the image's ${file} is no file of decent size`);
    }
    return readFileSync(found, "utf8").split("\n").map((line) => line.trim().split(":"));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

function readAccounts(rootfs: string): Account[] {
  return readLines(rootfs, "etc/passwd")
    .filter((fields) => fields.length >= 4)
    .map(([name, , uid, gid]) => ({ name: name!, uid: Number(uid), gid: Number(gid) }));
}

function readGroups(rootfs: string): Group[] {
  return readLines(rootfs, "etc/group")
    .filter((fields) => fields.length >= 3)
    .map(([name, , gid, members = ""]) => ({
      name: name!,
      gid: Number(gid),
      members: members.split(",").filter(Boolean),
    }));
}

const ID = /^[0-9]+$/;

/** The user part of `user[:group]` in an image, by number or name. */
function findAccount(user: string, accounts: Account[]): Account {
  const found = accounts.find(({ name }) => name === user);
  if (found) return found;
  if (!ID.test(user)) {
    throw new RuntimeError("invalid-argument", `the image has no user ${JSON.stringify(user)}`);
  }
  const uid = Number(user);
  return accounts.find((account) => account.uid === uid) ?? { name: "", uid, gid: 0 };
}

function findGroup(group: string, groups: Group[]): number {
  const found = groups.find(({ name }) => name === group);
  if (found) return found.gid;
  if (ID.test(group)) return Number(group);
  throw new RuntimeError("invalid-argument", `the image has no group ${JSON.stringify(group)}`);
}

/**
 * Who a container's process is. CRI's user and group go before the image's; without a group it is
 * the user's own in the image's /etc/passwd, else 0. Groups in which the image's /etc/group lists
 * the user are added unless the policy is Strict.
 */
export function resolveUser(
  rootfs: string,
  imageUser: string,
  context: Partial<LinuxContainerSecurityContext> = {},
): OciUser {
  const { runAsUser, runAsUsername = "", runAsGroup, supplementalGroups = [] } = context;
  if (runAsGroup && !runAsUser && runAsUsername === "") {
    throw new RuntimeError("invalid-argument", "run_as_group without run_as_user");
  }
  const accounts = readAccounts(rootfs);
  const groups = readGroups(rootfs);
  const fromImage = !runAsUser && runAsUsername === "";
  const [imageName = "", imageGroup] = imageUser.split(":");
  const wanted = runAsUser ? String(runAsUser.value) : runAsUsername || imageName || "0";
  const account = findAccount(wanted, accounts);
  const gid = runAsGroup
    ? runAsGroup.value
    : fromImage && imageGroup !== undefined
      ? findGroup(imageGroup, groups)
      : account.gid;
  const strict = context.supplementalGroupsPolicy === SupplementalGroupsPolicy.Strict;
  const listed = strict ? [] : groups.filter(({ members }) => members.includes(account.name));
  const additional = new Set([gid, ...listed.map((group) => group.gid), ...supplementalGroups]);
  return { uid: account.uid, gid, additionalGids: [...additional] };
}

/**
 * The user as far as it exists here: in a user namespace only mapped ids do. An id that the pod or
 * image asks for and that is missing is refused by name; groups that only the image's /etc/group
 * adds are left out.
 */
export function mappedUser(user: OciUser, ids: MappedIds, asked: readonly number[]): OciUser {
  const missing = (what: string, id: number) =>
    new RuntimeError("failed-precondition", `${what} ${id} is not mapped in this user namespace`, {
      remedy: "run the container as user 0, or start the cluster as root",
    });
  if (!isMapped(ids.users, user.uid)) throw missing("user", user.uid);
  if (!isMapped(ids.groups, user.gid)) throw missing("group", user.gid);
  const unmapped = asked.find((gid) => !isMapped(ids.groups, gid));
  if (unmapped !== undefined) throw missing("supplemental group", unmapped);
  const additionalGids = user.additionalGids.filter((gid) => isMapped(ids.groups, gid));
  return { ...user, additionalGids };
}
