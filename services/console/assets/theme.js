(()=>{var e=document.documentElement;e.classList.add("scripted");var t=null;try{t=localStorage.getItem("theme")}catch{}(t==="light"||t==="dark")&&(e.dataset.theme=t);})();
