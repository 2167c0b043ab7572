/**
 * Files that a runtime mounts into every container, and makes where an image lacks them: no part of
 * what the container wrote.
 */
const MANAGED = (
  "etc/hosts etc/hostname etc/resolv.conf dev/console dev/pts dev/shm dev/mqueue " +
  "sbin/docker-init .dockerenv"
).split(" ");

export function isManaged(place: string): boolean {
  return MANAGED.includes(place) || /^(proc|sys|dev|run\/secrets)\//.test(place);
}
