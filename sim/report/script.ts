// What the page can do beyond being read: zoom, hover, copy. Without it the page is whole, only wide. It takes nothing from the data.
export const script = `
'use strict';
const tip = document.getElementById('tip');
for (const title of [...document.querySelectorAll('svg title')]) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
document.addEventListener('pointermove', (event) => {
  const shape = event.target.closest('[data-tip]');
  tip.hidden = shape === null;
  if (shape === null) return;
  tip.textContent = shape.dataset.tip;
  const { offsetWidth, offsetHeight } = tip;
  tip.style.left = Math.max(6, Math.min(event.clientX + 14, innerWidth - offsetWidth - 10)) + 'px';
  tip.style.top = (event.clientY + 22 + offsetHeight > innerHeight ? event.clientY - offsetHeight - 12 : event.clientY + 18) + 'px';
});
for (const button of document.querySelectorAll('button[data-copy]'))
  button.addEventListener('click', async () => {
    const code = button.parentNode.querySelector('code');
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'copied';
    } catch {
      getSelection().selectAllChildren(code);
    }
  });
const scroll = document.getElementById('scroll');
let zoom = 1;
const zoomTo = (next, x) => {
  const share = (scroll.scrollLeft + x) / scroll.scrollWidth;
  zoom = Math.max(1, Math.min(400, next));
  scroll.style.setProperty('--zoom', zoom);
  scroll.classList.toggle('zoom1', zoom >= 4 && zoom < 20);
  scroll.classList.toggle('zoom2', zoom >= 20);
  scroll.scrollLeft = share * scroll.scrollWidth - x;
};
const toFocus = () => {
  scroll.scrollLeft = (Number(scroll.dataset.focus) / 100) * scroll.scrollWidth - scroll.clientWidth * 0.8;
};
const actions = {
  in: () => zoomTo(zoom * 2, scroll.clientWidth / 2),
  out: () => zoomTo(zoom / 2, scroll.clientWidth / 2),
  all: () => zoomTo(1, 0),
  focus: () => { zoomTo(Math.max(zoom, 16), 0); toFocus(); },
};
for (const button of document.querySelectorAll('button[data-do]'))
  button.addEventListener('click', () => actions[button.dataset.do]());
scroll.addEventListener('wheel', (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoomTo(zoom * 2 ** (-event.deltaY / 240), event.clientX - scroll.getBoundingClientRect().left);
}, { passive: false });
let drag = null;
scroll.addEventListener('pointerdown', (event) => {
  if (event.pointerType === 'mouse') drag = { x: event.clientX, left: scroll.scrollLeft };
});
addEventListener('pointermove', (event) => {
  if (drag !== null) scroll.scrollLeft = drag.left + drag.x - event.clientX;
});
addEventListener('pointerup', () => { drag = null; });
const sequence = document.getElementById('sequence');
const routine = document.getElementById('routine');
if (sequence !== null) {
  sequence.scrollTop = sequence.scrollHeight;
  routine.addEventListener('change', () => sequence.classList.toggle('hide-routine', !routine.checked));
}
`;
