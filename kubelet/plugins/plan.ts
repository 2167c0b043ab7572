/** A socket file in the registry. `identity` changes when the file is replaced under its path. */
export type RegistrySocket = { path: string; identity: string };

/**
 * Compares a scan of the registry with the known sockets: those that vanished, and those that are
 * new. A replaced socket is both, since it may be another plugin. Pure.
 */
export function planRegistry(
  seen: readonly RegistrySocket[],
  followed: readonly RegistrySocket[],
): { leave: RegistrySocket[]; follow: RegistrySocket[] } {
  const key = (socket: RegistrySocket) => `${socket.identity} ${socket.path}`;
  const seenKeys = new Set(seen.map(key));
  const followedKeys = new Set(followed.map(key));
  return {
    leave: followed.filter((socket) => !seenKeys.has(key(socket))),
    follow: seen.filter((socket) => !followedKeys.has(key(socket))),
  };
}
