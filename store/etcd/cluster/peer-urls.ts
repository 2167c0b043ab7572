import { etcdError } from "@raft2kube/client-etcd/errors.ts";

/** etcd's rule for peer URLs: at least one, http or https, with host and port and nothing else. */
export function checkPeerUrls(urls: string[]): void {
  if (urls.length === 0 || !urls.every(isPeerUrl)) throw etcdError("badUrls");
}

export function isPeerUrl(url: string): boolean {
  return /^https?:\/\/(\[[0-9a-fA-F:.%]+\]|[^\s/:?#[\]@]+):[0-9]{1,5}$/.test(url);
}
