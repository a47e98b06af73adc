// What was painted, as strokes that can be taken back: a mask is drawn anew from them in the picture's own size.

/** White where the picture is redrawn, black where it is kept. Sizes and points are in pixels of the picture. */
export class Strokes {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.done = [];
    this.undone = [];
    this.base = null; // a mask that was painted before
  }

  /** Whether nothing is painted, as far as the steps tell. */
  get blank() {
    const cleared = this.done.findLastIndex((step) => step.kind === "clear");
    return (
      (cleared >= 0 || !this.base) && this.done.slice(cleared + 1).every((step) => step.kind === "stroke" && step.erase)
    );
  }

  begin(erase, size, x, y) {
    this.add({ kind: "stroke", erase, size, points: [[x, y]] });
  }

  /** Goes on with the newest stroke. */
  to(x, y) {
    this.done.at(-1).points.push([x, y]);
  }

  invert() {
    this.add({ kind: "invert" });
  }

  clear() {
    this.add({ kind: "clear" });
  }

  add(step) {
    this.done.push(step);
    this.undone = [];
  }

  undo() {
    if (this.done.length) this.undone.push(this.done.pop());
  }

  redo() {
    if (this.undone.length) this.done.push(this.undone.pop());
  }

  /** Draws everything: white where it is painted, nothing elsewhere. */
  draw(context) {
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, this.width, this.height);
    if (this.base) context.drawImage(this.base, 0, 0, this.width, this.height);
    for (const step of this.done) this.drawStep(context, step);
  }

  drawStep(context, step) {
    if (step.kind === "stroke") return stroke(context, step, step.points);
    if (step.kind === "clear") return context.clearRect(0, 0, this.width, this.height);
    context.globalCompositeOperation = "source-out"; // white where nothing was, nothing where it was
    context.fillStyle = "#fff";
    return context.fillRect(0, 0, this.width, this.height);
  }

  /** Draws only what the newest stroke gained. */
  drawLast(context) {
    const step = this.done.at(-1);
    stroke(context, step, step.points.slice(-2));
  }
}

function stroke(context, { erase, size }, points) {
  context.globalCompositeOperation = erase ? "destination-out" : "source-over";
  context.strokeStyle = context.fillStyle = "#fff";
  context.lineWidth = size;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.arc(points[0][0], points[0][1], size / 2, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.moveTo(...points[0]);
  for (const point of points.slice(1)) context.lineTo(...point);
  context.stroke();
}

/** The mask as a PNG, with hard edges: white or black and nothing between. */
export function exported(canvas) {
  eachPixel(canvas, (data, place) => {
    data[place] = data[place + 1] = data[place + 2] = data[place + 3] > 127 ? 255 : 0;
    data[place + 3] = 255;
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** A mask that was exported before, as it is painted on: white, and nothing where it was black. */
export function imported(image, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  eachPixel(canvas, (data, place) => (data[place + 3] = data[place] > 127 ? 255 : 0));
  return canvas;
}

function eachPixel(canvas, change) {
  const context = canvas.getContext("2d");
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let place = 0; place < image.data.length; place += 4) change(image.data, place);
  context.putImageData(image, 0, 0);
}
