/**
 * Returns the words before a program that let it make network namespaces: it gets a network and
 * mounts of its own, which end with it in any case. An ordinary user gets them in a user namespace,
 * whose root that user is (user_namespaces(7)); a system may forbid it. With `processes` it is the
 * first process of a pid namespace, whose processes all end with it, or when `unshare` is killed;
 * in a user namespace always: a runtime comes back from a container's pid namespace to its own,
 * which takes privileges in both (setns(2)).
 */
export function ownNamespaces(processes = false): readonly [string, ...string[]] {
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? [] : ["--user", "--map-root-user"];
  const pids = processes || !isRoot ? ["--pid", "--fork", "--kill-child", "--mount-proc"] : [];
  return ["unshare", ...user, "--net", "--mount", ...pids];
}
