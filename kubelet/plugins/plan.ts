/** A socket file in the registry. `identity` changes when the file is replaced under its path. */
export interface RegistrySocket {
  path: string;
  identity: string;
}

/**
 * What to do after a look into the registry: sockets that vanished, and sockets that are new. A
 * replaced one is both, since it may be another plugin. Pure.
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
