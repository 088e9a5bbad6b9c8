// Photos in the browser: decoded upright, shrunk, and put into a file again.
const LARGEST_SIDE = 4096;
const LOSSLESS_PIXELS = 1_500_000;

// { canvas, width, height } of an upright photo, its canvas reduced to 4096 pixels at most; null where the browser cannot read it.
export async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return null;
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, LARGEST_SIDE / Math.max(width, height));
  const canvas = drawn(bitmap, width * scale, height * scale);
  bitmap.close();
  return { canvas, width, height };
}

// Halved again and again, then to its size: each new pixel stands for all that it covers.
export function shrunk(canvas, width, height) {
  let source = canvas;
  while (source.width > 2 * width && source.height > 2 * height) source = drawn(source, source.width / 2, source.height / 2);
  return drawn(source, width, height);
}

export function encoded(canvas) {
  const lossless = canvas.width * canvas.height <= LOSSLESS_PIXELS;
  return new Promise((resolve, reject) => {
    const done = (blob) => (blob ? resolve(blob) : reject(new Error("the browser could not write the picture")));
    canvas.toBlob(done, lossless ? "image/png" : "image/jpeg", 0.95);
  });
}

export function drawn(source, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}
