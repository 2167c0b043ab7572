import type { Init } from "@raft2kube/proto/codec.ts";
import type { Image, ImageServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { layersUsage } from "../container/stats.ts";
import type { NamedImage } from "../image/store.ts";
import type { Base, DiskUse, Images, Records } from "../ports.ts";
import { nanoseconds } from "../time.ts";
import { withRpcErrors } from "./errors.ts";

function imageLine(image: NamedImage): Init<Image> {
  const { id, repoTags, repoDigests, size_bytes: size } = image;
  const [user = ""] = image.user.split(":");
  return {
    id,
    repoTags,
    repoDigests,
    size,
    // Kubelets check runAsNonRoot by these: a number, else a name; without either it is root.
    ...(/^[0-9]+$/.test(user) ? { uid: { value: Number(user) } } : { username: user }),
    spec: { image: id },
  };
}

/** Digits of an id as crictl shows it, less one: fewer may be a name that a pod has. */
const ID_DIGITS_MIN = 12;

export function imageService(
  runtime: Base & Records & Images & DiskUse,
): Handlers<ImageServiceMethods> {
  const { images } = runtime;
  const find = (name: string) => images.find(name) ?? images.findByStart(name, ID_DIGITS_MIN);
  const matching = (wanted: string | undefined) => {
    const found = wanted ? find(wanted) : undefined;
    return wanted ? (found ? [found] : []) : images.list();
  };
  return withRpcErrors<Handlers<ImageServiceMethods>>({
    async listImages({ filter }) {
      return { images: matching(filter?.image?.image).map(imageLine) };
    },
    async *streamImages({ filter }) {
      yield { images: matching(filter?.image?.image).map(imageLine) };
    },
    async imageStatus({ image, verbose }) {
      const found = find(image?.image ?? "");
      if (!found) return {};
      const info = verbose ? { info: JSON.stringify({ imageSpec: found.config }) } : {};
      return { image: imageLine(found), info };
    },
    async imageFsInfo() {
      const timestamp = nanoseconds(runtime.clock.now());
      const fsId = { mountpoint: runtime.paths.root };
      const [imageFs, containerFs] = [await images.diskUsage(), await layersUsage(runtime)].map(
        ({ used_bytes, inodes }) => ({
          ...{ timestamp, fsId },
          ...{ usedBytes: { value: used_bytes }, inodesUsed: { value: inodes } },
        }),
      );
      return { imageFilesystems: [imageFs!], containerFilesystems: [containerFs!] };
    },
    async pullImage({ image, auth, sandboxConfig }, { signal }) {
      // Loaded when first needed: clusters with images of their own never pull.
      const { pullImage } = await import("../image/pull.ts");
      const { clock, registries: endpoints } = runtime;
      const namespace = sandboxConfig?.metadata?.namespace;
      const options = { clock, endpoints, signal, namespace, ...(auth && { auth }) };
      return { imageRef: (await pullImage(images, image?.image ?? "", options)).id };
    },
    async removeImage({ image }) {
      const found = find(image?.image ?? "");
      if (found) await images.remove(found.id);
      return {};
    },
  });
}
