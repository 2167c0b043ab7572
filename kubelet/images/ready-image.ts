/** The user an image runs as by default: a number, or a name to be looked up in the image. */
export type ImageUser = { uid: number | undefined; username: string };

/** An image that is present on the node. */
export type ReadyImage = { imageRef: string; user: ImageUser };
