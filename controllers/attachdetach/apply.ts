import type { Node, PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import {
  isAlreadyExists,
  isConflict,
  isNotFound,
  undefinedIfNotFound,
} from "@raft2kube/client-kube/errors.ts";
import { attachmentName, isListedAsAttached } from "@raft2kube/client-kube/object/attachments.ts";
import { translateVolume } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { NODES, VOLUME_ATTACHMENTS } from "@raft2kube/client-kube/rest/resources.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import type { NewestNodes } from "./newest-nodes.ts";

/**
 * Writes attachments and the list of attached volumes in nodes' statuses. The kubelet reports a
 * volume in `volumesInUse`, then reads whether it is in `volumesAttached`, then mounts it; here it
 * is removed from `volumesAttached` in a revision in which it is not in `volumesInUse`. One of the
 * two sees the other.
 */
export class AttachmentWriter {
  readonly #nodes: ResourceClient<Node>;
  readonly #attachments: ResourceClient<VolumeAttachment>;
  readonly #newest: NewestNodes;
  /** The list is replaced as a whole, so that one write per node at a time avoids conflicts. */
  readonly #turns = new KeyedTurns();

  /** `newest`: the nodes, of which this adds what it writes. */
  constructor(client: KubeClient, newest: NewestNodes) {
    this.#newest = newest;
    this.#nodes = client.resource(NODES);
    this.#attachments = client.resource(VOLUME_ATTACHMENTS);
  }

  /**
   * Creates the attachment of a volume; undefined if it exists already. One that is stored nowhere,
   * because a pod names it without a claim, is in the attachment.
   */
  async attach(volume: PersistentVolume, nodeName: string): Promise<VolumeAttachment | undefined> {
    const { spec } = translateVolume(volume);
    const { driver, volumeHandle } = spec.csi!;
    const { name = "", uid } = volume.metadata;
    const source = uid === undefined ? { inlineVolumeSpec: spec } : { persistentVolumeName: name };
    return tolerate(
      this.#attachments.create({
        metadata: { name: attachmentName(driver, volumeHandle, nodeName) },
        spec: { attacher: driver, nodeName, source },
      }),
      isAlreadyExists,
    );
  }

  /** Deletes an attachment. Its external-attacher detaches the volume, then it is gone. */
  async delete({ metadata }: VolumeAttachment): Promise<void> {
    const { name = "", uid } = metadata;
    await undefinedIfNotFound(this.#attachments.delete({ name }, { preconditions: { uid } }));
  }

  /**
   * Lists an attached volume in its node's status. Returns false if it is no longer attached: the
   * informer may be late.
   */
  async report({ metadata, spec }: VolumeAttachment, volume: string): Promise<boolean> {
    const { name = "", uid } = metadata;
    const now = await undefinedIfNotFound(this.#attachments.get({ name }));
    if (now?.metadata.uid !== uid || now?.metadata.deletionTimestamp) return false;
    if (!now?.status?.attached) return false;
    const isToChange = (node: Node) => !isListedAsAttached(node, volume);
    return this.#turns.run(spec.nodeName, () =>
      this.#onNode(spec.nodeName, isToChange, async (node) => {
        if (!node || !isToChange(node)) return false;
        const attached = node.status?.volumesAttached ?? [];
        await this.#setAttached(node, [...attached, { name: volume, devicePath: "" }]);
        return true;
      }),
    );
  }

  /**
   * Removes a volume from its node's status, unless the kubelet has it in use and `force` is not
   * set. Returns whether the kubelet will not mount it.
   */
  withdraw(nodeName: string, volume: string, force: boolean): Promise<boolean> {
    const isToChange = (node: Node) => isListedAsAttached(node, volume);
    return this.#turns.run(nodeName, () =>
      this.#onNode(nodeName, isToChange, async (node) => {
        if (!node) return true;
        if (!force && node.status?.volumesInUse?.includes(volume)) return false;
        const attached = node.status?.volumesAttached ?? [];
        const others = attached.filter(({ name }) => name !== volume);
        if (others.length < attached.length) await this.#setAttached(node, others);
        return true;
      }),
    );
  }

  /**
   * Calls `act` with the node as it is known here, if that is to be changed: the write fails if it
   * is not the stored one. Otherwise, and after such a failure, calls it with the stored one.
   */
  async #onNode<T>(
    name: string,
    isToChange: (node: Node) => boolean,
    act: (node: Node | undefined) => Promise<T>,
  ): Promise<T> {
    const known = this.#newest.get(name);
    if (known && isToChange(known)) {
      try {
        return await act(known);
      } catch (thrown) {
        if (!isConflict(thrown) && !isNotFound(thrown)) throw thrown;
      }
    }
    return act(await undefinedIfNotFound(this.#nodes.get({ name })));
  }

  /** Writes the list of exactly this revision of a node: throws Conflict for another. */
  async #setAttached(
    { metadata }: Node,
    volumesAttached: NonNullable<Node["status"]>["volumesAttached"],
  ): Promise<void> {
    const { name = "", uid, resourceVersion } = metadata;
    const patch = { metadata: { uid, resourceVersion }, status: { volumesAttached } };
    this.#newest.wrote(await this.#nodes.patch({ name, subresource: "status" }, "merge", patch));
  }
}
