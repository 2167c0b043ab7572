import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { isMapped, type MappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import type { LinuxContainerSecurityContext } from "@raft2kube/proto/gen/cri.ts";
import { SupplementalGroupsPolicy } from "@raft2kube/proto/gen/cri.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import { ACCOUNT_FILE_BYTES, ACCOUNT_FILE_LINES, SUPPLEMENTAL_GROUPS_MAX } from "../limits.ts";
import type { OciUser } from "./spec.ts";

type Account = { name: string; uid: number; gid: number; home: string };

/** `members` is the text of the file. */
type Group = { name: string; gid: number; members: string };

/** Fields of a line of passwd(5), which has more than one of group(5). */
const ACCOUNT_FIELDS = 7;

/** Users and groups above are no ids to an OCI runtime. */
const ID_MAX = 2 ** 31 - 1;

/** An id in decimal digits; undefined for anything else. */
function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  return id <= ID_MAX ? id : undefined;
}

/** An account file of the image; empty when the image has none. Links in it stay in the image. */
function readLines(rootfs: string, file: string): string[][] {
  using root = Directory.open(rootfs);
  try {
    const content = root.readFile(file, { links: "inside", limit_bytes: ACCOUNT_FILE_BYTES });
    const lines = content.toString("utf8").split("\n", ACCOUNT_FILE_LINES + 1);
    if (lines.length > ACCOUNT_FILE_LINES) {
      throw new RangeError(`it has more than ${ACCOUNT_FILE_LINES} lines`);
    }
    return lines.map((line) => line.trim().split(":", ACCOUNT_FIELDS));
  } catch (cause) {
    if (isErrno(cause, "ENOENT", "ENOTDIR")) return [];
    const message = `the image's ${file} cannot be read: ${messageOf(cause)}`;
    throw new RuntimeError("invalid-argument", message, { cause });
  }
}

/** Lines whose ids are not numbers are skipped. */
function readAccounts(rootfs: string): Account[] {
  return readLines(rootfs, "etc/passwd").flatMap(([name = "", , first, second, , home = ""]) => {
    const [uid, gid] = [idOf(first), idOf(second)];
    return uid === undefined || gid === undefined ? [] : [{ name, uid, gid, home }];
  });
}

function readGroups(rootfs: string): Group[] {
  return readLines(rootfs, "etc/group").flatMap(([name = "", , first, members = ""]) => {
    const gid = idOf(first);
    return gid === undefined ? [] : [{ name, gid, members }];
  });
}

const hasMember = ({ members }: Group, name: string): boolean =>
  name !== "" && `,${members},`.includes(`,${name},`);

/** An id that the pod asks for. */
function requireId(what: string, id: number): number {
  if (Number.isInteger(id) && id >= 0 && id <= ID_MAX) return id;
  throw new RuntimeError("invalid-argument", `${id} is no ${what} id: 0 to ${ID_MAX}`);
}

/** The account with a uid; of group 0 when /etc/passwd has none. */
function accountOf(uid: number, accounts: Account[]): Account {
  return accounts.find((account) => account.uid === uid) ?? { name: "", uid, gid: 0, home: "" };
}

/**
 * The user part of `user[:group]` in an image. A number is the uid, never a name: an image's
 * /etc/passwd with a user named `1000` of uid 0 would make root of it.
 */
function findAccount(user: string, accounts: Account[]): Account {
  const uid = idOf(user);
  if (uid !== undefined) return accountOf(uid, accounts);
  const found = accounts.find(({ name }) => name === user);
  if (found) return found;
  throw new RuntimeError("invalid-argument", `the image has no user ${JSON.stringify(user)}`);
}

/** The group part; a number is the gid. */
function findGroup(group: string, groups: Group[]): number {
  const found = idOf(group) ?? groups.find(({ name }) => name === group)?.gid;
  if (found !== undefined) return found;
  throw new RuntimeError("invalid-argument", `the image has no group ${JSON.stringify(group)}`);
}

/**
 * Returns the user of a container's process. CRI's user and group override the image's; without a
 * group it is the user's primary one in the image's /etc/passwd, else 0. Groups that list the user
 * in the image's /etc/group are added unless the policy is Strict, `namedGroups` always.
 */
export function resolveUser(
  rootfs: string,
  imageUser: string,
  context: Partial<LinuxContainerSecurityContext> = {},
  namedGroups: readonly string[] = [],
): OciUser {
  const { runAsUser, runAsUsername = "", runAsGroup, supplementalGroups = [] } = context;
  if (runAsGroup && !runAsUser && runAsUsername === "") {
    throw new RuntimeError("invalid-argument", "run_as_group without run_as_user");
  }
  const accounts = readAccounts(rootfs);
  const groups = readGroups(rootfs);
  const fromImage = !runAsUser && runAsUsername === "";
  const [imageName = "", imageGroup] = imageUser.split(":");
  const account = runAsUser
    ? accountOf(requireId("user", runAsUser.value), accounts)
    : findAccount(runAsUsername || imageName || "0", accounts);
  const gid = runAsGroup
    ? requireId("group", runAsGroup.value)
    : fromImage && imageGroup !== undefined
      ? findGroup(imageGroup, groups)
      : account.gid;
  const asked = [
    ...supplementalGroups.map((group) => requireId("group", group)),
    ...namedGroups.map((group) => findGroup(group, groups)),
  ];
  const strict = context.supplementalGroupsPolicy === SupplementalGroupsPolicy.Strict;
  const listed = strict ? [] : groups.filter((group) => hasMember(group, account.name));
  const additional = new Set([gid, ...listed.map((group) => group.gid), ...asked]);
  if (additional.size > SUPPLEMENTAL_GROUPS_MAX) {
    const text = `the container has ${additional.size} groups, more than ${SUPPLEMENTAL_GROUPS_MAX}`;
    const remedy = "name fewer in supplementalGroups, and list the user in fewer of the image's";
    throw new RuntimeError("invalid-argument", text, { remedy });
  }
  return { uid: account.uid, gid, additionalGids: [...additional] };
}

/** The home of a user by the image's /etc/passwd; empty when it has none. */
export function homeOf(rootfs: string, uid: number): string {
  return accountOf(uid, readAccounts(rootfs)).home;
}

/**
 * Returns the user with its ids mapped: in a user namespace, an unmapped id of the pod or image is
 * refused by name; unmapped groups from the image's /etc/group are left out.
 */
export function mappedUser(user: OciUser, ids: MappedIds, asked: readonly number[]): OciUser {
  const missing = (what: string, id: number) =>
    new RuntimeError("failed-precondition", `${what} ${id} is not mapped in this user namespace`, {
      remedy:
        "use an id that is: with hostUsers: false, from 0 to 65535, or set hostUsers: true " +
        "in the pod; else 0, or start the cluster as root",
    });
  if (!isMapped(ids.users, user.uid)) throw missing("user", user.uid);
  if (!isMapped(ids.groups, user.gid)) throw missing("group", user.gid);
  const unmapped = asked.find((gid) => !isMapped(ids.groups, gid));
  if (unmapped !== undefined) throw missing("supplemental group", unmapped);
  const additionalGids = user.additionalGids.filter((gid) => isMapped(ids.groups, gid));
  return { ...user, additionalGids };
}
