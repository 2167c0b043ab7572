/**
 * Returns the words before a program that let it make network namespaces: it gets a network and
 * mounts of its own, which end with it in any case. An ordinary user gets them in a user namespace,
 * whose root that user is (user_namespaces(7)); a system may forbid it.
 */
export function ownNamespaces(): readonly [string, ...string[]] {
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  return ["unshare", ...user, "--net", "--mount"];
}
