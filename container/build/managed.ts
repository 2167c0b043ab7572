/**
 * Files that a runtime mounts into every container, and makes where an image lacks them: no part of
 * what the container wrote.
 */
const MANAGED = new Set([
  "etc/hosts",
  "etc/hostname",
  "etc/resolv.conf",
  "dev/console",
  "dev/pts",
  "dev/shm",
  "dev/mqueue",
  "sbin/docker-init",
  ".dockerenv",
]);

export function isManaged(place: string): boolean {
  return MANAGED.has(place) || /^(proc|sys|dev|run\/secrets)\//.test(place);
}
