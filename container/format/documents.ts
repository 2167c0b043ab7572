import type { NamedImage } from "@raft2kube/runtime/image/store.ts";
import { shortName } from "../engine/images.ts";
import type { Network } from "../engine/networks.ts";
import type { Engine } from "../engine/open-engine.ts";
import type { Volume } from "../engine/volumes.ts";

/** An image as docker's inspect has it. */
export function imageDocument(image: NamedImage): object {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: image.repoTags.map(shortName),
    RepoDigests: image.repoDigests.map(shortName),
    Created: config.created ?? "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    Os: config.os,
    Config: config.config ?? {},
    Size: image.size_bytes,
    VirtualSize: image.size_bytes,
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    Descriptor: { digest: image.manifestDigest, mediaType: image.manifest.mediaType ?? "" },
  };
}

export const volumeDocument = ({ volumes }: Engine, volume: Volume): object => ({
  Name: volume.name,
  Driver: "local",
  Mountpoint: volumes.dataOf(volume.name),
  CreatedAt: new Date(volume.createdAt_ms).toISOString(),
  Labels: volume.labels,
  Options: null,
  Scope: "local",
});

export function networkDocument({ containers, runtime }: Engine, network: Network): object {
  const { name, subnet, gateway, isInternal, labels, bridge } = network;
  const members = containers.all().filter(({ hand }) => hand.network === name);
  return {
    Name: name,
    Id: name,
    Driver: "bridge",
    Scope: "local",
    Created: new Date(network.createdAt_ms).toISOString(),
    Internal: isInternal,
    IPAM: { Driver: "host-local", Config: [{ Subnet: subnet, Gateway: gateway }] },
    Options: { "com.docker.network.bridge.name": bridge },
    Labels: labels,
    Containers: Object.fromEntries(
      members.map(({ record, hand }) => {
        const [IPv4Address = ""] = runtime.sandboxes.find(record.sandboxId)?.ips ?? [];
        return [record.id, { Name: hand.name, IPv4Address }];
      }),
    ),
  };
}
